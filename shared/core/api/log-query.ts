import { z } from 'zod';
import { filterFields, type FilterField } from '../log-filter.ts';

/** What each field wants; what is wrong with one is told by `parseLogFilter`, which knows the time. */
const words: Record<FilterField, string> = {
  type: 'Types of records, separated by commas; any case',
  since: 'Logged from then on: how long ago (`2h`, `7d`), a time of RFC 3339, or a day',
  until: 'Logged before; as `since`',
  recipient: 'An address in any case, or `@example.org` for all of a domain',
  sender: 'As `recipient`; `<>` for the null sender',
  domain: 'The domain of a recipient',
  site: 'A site, or a lane (`source->site`)',
  tenant: "Of the record's queue",
  campaign: "Of the record's queue",
  code: '`550`, `5xx`, `5.1.1`; with commas',
  class: 'Bounce classes, separated by commas; any case',
  message: 'The id of the message',
  text: 'Stands anywhere in the record, in any case; no index helps with it',
};

const asList = (description: string) =>
  z
    .union([z.string(), z.array(z.string())])
    .transform((value) => [value].flat().join(','))
    .optional()
    .describe(description);
const asText = (description: string) => z.string().optional().describe(description);

const fieldsAs = <S>(schemaOf: (description: string) => S): Record<FilterField, S> =>
  Object.fromEntries(filterFields.map((field) => [field, schemaOf(words[field])])) as Record<FilterField, S>;

/** The fields of a filter of the log as a query has them: a field given several times is a list. */
export const filterQuery = fieldsAs(asList);

/** The same in a body. */
export const filterBody = fieldsAs(asText);

export const damage = z
  .array(z.strictObject({ segment: z.string(), problem: z.string() }))
  .describe('What of the archive could not be read and was passed over; twenty at most');
