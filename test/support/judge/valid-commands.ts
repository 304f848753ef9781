type Data = Readonly<Record<string, unknown>>;

const MOST_LINES = 500;

/** The contract's rules for the data of each command type. */
const isValidData: Readonly<Record<string, (data: Data) => boolean>> = {
  CreateBatch: ({ reference, sku, quantity, eta = null }) =>
    isName(reference) && isName(sku) && isWhole(quantity, 0) && (eta === null || isDate(eta)),
  AllocateOrder: ({ orderid, lines, ...line }) =>
    isName(orderid) &&
    (lines === undefined
      ? isLine(line)
      : line.sku === undefined && line.qty === undefined && areLines(lines)),
  ChangeBatchQuantity: ({ reference, quantity }) => isName(reference) && isWhole(quantity, 0),
  DeallocateOrder: ({ orderid, sku }) => isName(orderid) && (sku === undefined || isName(sku)),
};

/** Tells whether the body is a command as the contract describes it. */
export function isValidCommand(body: Data): boolean {
  return isValidData[String(body.type)]?.(body) ?? false;
}

/** Tells whether the value may name something: 1 to 255 characters that can be printed. */
export function isName(value: unknown): boolean {
  return typeof value === 'string' && /^[^\p{Cc}\p{Cs}]{1,255}$/u.test(value);
}

function isWhole(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function isDate(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(value)) return false;
  const date = new Date(value);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value);
}

function isLine({ sku, qty }: Data): boolean {
  return isName(sku) && isWhole(qty, 1);
}

function areLines(lines: unknown): boolean {
  if (!Array.isArray(lines) || lines.length < 1 || lines.length > MOST_LINES) return false;
  return lines.every(isLine) && new Set(lines.map(({ sku }) => sku)).size === lines.length;
}
