import { useEffect, useId, useRef } from 'preact/hooks';
import { html, type View } from '../html.ts';

/** Over the page as long as it is drawn; the browser keeps the focus inside and gives it back. */
export function Dialog({ title, onClose, children, wide }: { title: string; onClose: () => void; children?: View; wide?: boolean }): View {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  const latest = useRef(onClose);
  latest.current = onClose;
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return undefined;
    dialog.showModal();
    // A browser closes at the second Escape whatever it is told: what has to be answered, such as a login, opens again.
    const shut = (): void => {
      latest.current();
      requestAnimationFrame(() => {
        if (dialog.isConnected && !dialog.open) dialog.showModal();
      });
    };
    dialog.addEventListener('close', shut);
    return () => {
      dialog.removeEventListener('close', shut);
      dialog.close();
    };
  }, []);
  return html`<dialog
    ref=${element}
    class=${wide ? 'wide' : ''}
    aria-labelledby=${id}
    onCancel=${(event: Event) => {
      event.preventDefault();
      onClose();
    }}
  >
    <h2 id=${id}>${title}</h2>
    ${children}
  </dialog>`;
}
