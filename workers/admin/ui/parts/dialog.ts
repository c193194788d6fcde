import { useEffect, useId, useRef } from 'preact/hooks';
import { html, type View } from '../html.ts';

/** Over the page as long as it is drawn; the browser keeps the focus inside and gives it back. */
export function Dialog({ title, onClose, children, wide }: { title: string; onClose: () => void; children?: View; wide?: boolean }): View {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
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
