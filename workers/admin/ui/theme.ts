// Before anything is drawn: the choice of this browser, or what the system says. No module, or it would come too late.
try {
  const chosen = localStorage.getItem('theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset['theme'] = chosen;
} catch {
  // A browser that keeps nothing shows what the system says.
}
