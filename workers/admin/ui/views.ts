import { html, type View } from './html.ts';
import type { Place } from './router.ts';
import { Bounce } from './views/bounce.ts';
import { Bounces } from './views/bounces.ts';
import { Lane } from './views/lane.ts';
import { Lanes } from './views/lanes.ts';
import { Message } from './views/message.ts';
import { Messages } from './views/messages.ts';
import { Overview } from './views/overview.ts';
import { Replay } from './views/replay.ts';
import { Replays } from './views/replays.ts';
import { Rules } from './views/rules.ts';

export interface Shown {
  title: string;
  view: View;
}

/** What a path shows. A new page is a line here, in `nav.ts`, and in `ui-paths.ts` of the server. */
export function viewOf({ path, query }: Place): Shown {
  const [, section = '', item] = path.split('/').map(decode);
  switch (section) {
    case '':
      return { title: 'Overview', view: html`<${Overview} />` };
    case 'bounces':
      return item
        ? { title: 'Bounce', view: html`<${Bounce} key=${item} event=${item} />` }
        : { title: 'Bounces', view: html`<${Bounces} query=${query} />` };
    case 'messages':
      return item
        ? { title: 'Message', view: html`<${Message} key=${item} id=${item} />` }
        : { title: 'Messages', view: html`<${Messages} key=${query.toString()} query=${query} />` };
    case 'lanes':
      return item
        ? { title: `Lane ${item}`, view: html`<${Lane} key=${item} name=${item} />` }
        : { title: 'Lanes', view: html`<${Lanes} query=${query} />` };
    case 'replays':
      return item
        ? { title: 'Replay', view: html`<${Replay} key=${item} id=${item} query=${query} />` }
        : { title: 'Replays', view: html`<${Replays} />` };
    case 'rules':
      return { title: 'Rules and policy', view: html`<${Rules} />` };
    default:
      return { title: 'Not found', view: html`<h1 tabindex="-1">There is no such page</h1>` };
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
