import { z } from 'zod';
import { NAME } from '../../messages/cloud-events.ts';
import { NAME_IN_JSON_SCHEMA } from '../../messages/field-schemas.ts';

/** A parameter that is a name. It may be given once. */
export const nameParameter = z
  .string('must be given once')
  .regex(NAME, 'must be 1 to 255 characters without control characters')
  .meta(NAME_IN_JSON_SCHEMA);

/** The cursor of a page, if it is a name. */
export const nameCursor = nameParameter
  .optional()
  .describe('the name behind which the page begins: take it from the header Link of a page');
