const units: Record<string, number> = { '': 1, B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** `65536`, `64KB`, `25 MB` as bytes (1 KB = 1024); undefined when it is no size. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMG]?B?)$/i.exec(text.trim());
  if (!match) return undefined;
  const unit = (match[2] ?? '').toUpperCase();
  const size = units[unit.length === 1 && unit !== 'B' ? `${unit}B` : unit];
  return size === undefined ? undefined : Math.round(Number(match[1]) * size);
}
