import type { CommandWords } from './words.ts';

/** For bash 4 and later. Names that are asked live may hold a `>`: they are quoted when they are put on the line. */
export const bashScript = (
  commands: readonly CommandWords[],
): string => `# Completion of rebound for bash: source <(rebound completion bash)
_rebound() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words= verbs= flags= wants= word
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W ${quote(commands.map(({ name }) => name).join(' '))} -- "$cur")
    return
  fi
  case "\${COMP_WORDS[1]} $prev" in
${cases(commands, (choices) => `words=${quote(choices.join(' '))}`)}
  esac
  if [ -z "$wants" ]; then
    case "\${COMP_WORDS[1]}" in
${commands.map(bashCase).join('\n')}
    esac
    # There is one verb: what follows it is something else.
    for word in "\${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
      case " $verbs " in *" $word "*) verbs= ;; esac
    done
    case "$cur" in
      -*) wants= words=$flags ;;
      *) words=$verbs ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  case "$wants" in
    file)
      compopt -o filenames 2>/dev/null
      mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
      ;;
    lane | order)
      local name plain=\${cur//\\\\/}
      plain=\${plain#[\\"\\']}
      while IFS= read -r name; do
        case "$name" in
          "$plain"*)
            # Inside quotes nothing is to be quoted.
            case "$cur" in [\\"\\']*) ;; *) name=$(printf '%q' "$name") ;; esac
            COMPREPLY+=("$name")
            ;;
        esac
      done < <("\${COMP_WORDS[0]}" completion names "$wants" 2>/dev/null)
      ;;
  esac
}
complete -F _rebound rebound
`;

/** What the option before wants; `offer` sets the words of one that has choices. */
const cases = (commands: readonly CommandWords[], offer: (choices: readonly string[]) => string): string => {
  const pairs = commands.flatMap(({ name, options }) =>
    options
      .filter(({ wants }) => wants !== 'nothing')
      .map(({ flag, wants, choices }) => [`${name} ${flag}`, `wants=${wants}${choices ? ` ${offer(choices)}` : ''}`] as const),
  );
  const byWanted = Map.groupBy(pairs, ([, wants]) => wants);
  return [...byWanted].map(([wants, all]) => `    ${all.map(([words]) => quote(words)).join(' | ')}) ${wants} ;;`).join('\n');
};

const bashCase = ({ name, verbs, options, operand }: CommandWords): string => {
  const flags = options.map(({ flag }) => flag).join(' ');
  return `      ${name}) verbs=${quote(verbs.join(' '))} flags=${quote(flags)}${operand === 'nothing' ? '' : ` wants=${operand}`} ;;`;
};

/** For zsh: the same words, with what each command is for. */
export const zshScript = (commands: readonly CommandWords[]): string => `#compdef rebound
# Completion of rebound for zsh: source <(rebound completion zsh), after compinit
_rebound() {
  local cur=\${words[CURRENT]} prev=\${words[CURRENT-1]} wants=
  local -a candidates verbs flags
  local word
  if (( CURRENT == 2 )); then
    candidates=(
${commands.map(({ name, summary }) => `      ${quote(`${name}:${summary.replaceAll(':', '\\:')}`)}`).join('\n')}
    )
    _describe command candidates
    return
  fi
  case "\${words[2]} $prev" in
${cases(commands, (choices) => `candidates=(${choices.map(quote).join(' ')})`)}
  esac
  if [[ $wants == choice ]]; then
    compadd -- $candidates
  fi
  if [[ -z $wants ]]; then
    case "\${words[2]}" in
${commands.map(zshCase).join('\n')}
    esac
    # There is one verb: what follows it is something else.
    for word in $words[3,CURRENT-1]; do
      (( $verbs[(Ie)$word] )) && verbs=()
    done
    [[ $cur == -* ]] && wants=
    compadd -- $verbs $flags
  fi
  case $wants in
    file) _files ;;
    lane | order) compadd -- \${(f)"$("\${words[1]}" completion names $wants 2>/dev/null)"} ;;
  esac
}
compdef _rebound rebound
`;

const zshCase = ({ name, verbs, options, operand }: CommandWords): string => {
  const flags = options.map(({ flag }) => quote(flag)).join(' ');
  return `      ${name}) verbs=(${verbs.map(quote).join(' ')}); flags=(${flags})${operand === 'nothing' ? '' : `; wants=${operand}`} ;;`;
};

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
