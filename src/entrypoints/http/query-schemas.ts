import { z } from 'zod';
import { NAME } from '../../messages/cloud-events.ts';
import { NAME_IN_JSON_SCHEMA } from '../../messages/field-schemas.ts';
import { MAX_PAGE_ITEMS } from '../../views/page.ts';

/** A parameter that is a name. It may be given once. */
export const nameParameter = z
  .string('must be given once')
  .regex(NAME, 'must be 1 to 255 characters without control characters')
  .meta(NAME_IN_JSON_SCHEMA);

const DEFAULT_LIMIT = 100;
const LIMIT = `must be a whole number from 1 to ${MAX_PAGE_ITEMS}`;

/** How many items a page has at most. */
export const pageLimit = z.coerce
  .number(LIMIT)
  .int(LIMIT)
  .min(1, LIMIT)
  .max(MAX_PAGE_ITEMS, LIMIT)
  .default(DEFAULT_LIMIT)
  .describe('how many the page has at most');

/** Makes the cursor of a page that is no name. @param form of the cursor */
export function cursorLike(form: RegExp) {
  return z
    .string('must be given once')
    .regex(form, 'must come from the header Link of a page')
    .optional()
    .describe('where the page begins: take it from the header Link of a page');
}

/** The cursor of a page, if it is a name. */
export const nameCursor = nameParameter
  .optional()
  .describe('the name behind which the page begins: take it from the header Link of a page');
