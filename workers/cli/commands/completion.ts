import { parseArgs } from 'node:util';
import { commandNames, loadCommand } from '../command-table.ts';
import { bashScript, zshScript } from '../completion/scripts.ts';
import { wordsOf, type CommandWords } from '../completion/words.ts';
import { UsageError, type Help } from '../command.ts';

export const help: Help = {
  usage: 'bash|zsh',
  summary: 'print what makes a shell complete commands, options, lanes and orders',
  options: [
    ['bash', 'source <(rebound completion bash), for example in ~/.bashrc'],
    ['zsh', 'source <(rebound completion zsh), in ~/.zshrc after compinit'],
  ],
  notes: 'Lanes and orders are asked of the API when TAB is pressed; when it does not answer at once, there are none.',
};

export async function run(args: string[]): Promise<number> {
  const { positionals } = parseArgs({ args, options: {}, allowPositionals: true });
  const [shell, ...rest] = positionals;
  if (shell === 'names') {
    // What the scripts ask when TAB is pressed: an error message would be in the way.
    const { namesOf } = await import('../completion/live-names.ts');
    process.stdout.write((await namesOf(rest[0])).map((name) => `${name}\n`).join(''));
    return 0;
  }
  if ((shell !== 'bash' && shell !== 'zsh') || rest.length > 0) throw new UsageError('expected "completion bash" or "completion zsh"');
  const words: CommandWords[] = await Promise.all(
    commandNames().map(async (name) => ({
      name,
      summary: (await loadCommand(name)).help.summary,
      ...wordsOf((await loadCommand(name)).help),
    })),
  );
  process.stdout.write(shell === 'bash' ? bashScript(words) : zshScript(words));
  return 0;
}
