import { useState } from 'preact/hooks';
import { ask, me, Refusal, type Me } from '../api.ts';
import { html, type View } from '../html.ts';
import { isPage } from '../router.ts';
import { Dialog } from './dialog.ts';
import { textOf } from './form.ts';

/** Whole, or over the page whose session has ended: what was being done there stays. */
export function Login({ who }: { who?: Me }): View {
  if (who) {
    return html`<${Dialog} title="Your session has ended" onClose=${() => undefined}>
      <p class="dim">Log in again to go on where you were.</p>
      <${LoginForm} name=${who.name} />
    <//>`;
  }
  return html`<main id="main" class="login">
    <h1>Rebound</h1>
    <${LoginForm} />
  </main>`;
}

function LoginForm({ name = '' }: { name?: string }): View {
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    setProblem('');
    try {
      await ask('POST /api/login', { body: { user: textOf(fields, 'user'), password: textOf(fields, 'password') } });
      const now = await ask('GET /api/me');
      // Asked for at another page, such as the queues: that one comes now. Somebody else sees nothing of who was here.
      if (!isPage(location.pathname) || (name !== '' && now.name !== name)) location.reload();
      else me.set(now);
    } catch (error) {
      setProblem(error instanceof Refusal ? error.message : String(error));
      setBusy(false);
    }
  };
  return html`<form class="stacked" onSubmit=${submit}>
    <label>Name <input name="user" autocomplete="username" required defaultValue=${name} autofocus=${name === ''} maxlength="64" /></label>
    <label>Password <input name="password" type="password" autocomplete="current-password" required autofocus=${name !== ''} /></label>
    <p class="problem" role="alert">${problem}</p>
    <button type="submit" class="primary" disabled=${isBusy}>Log in</button>
  </form>`;
}
