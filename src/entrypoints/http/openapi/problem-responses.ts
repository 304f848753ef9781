import { STATUS_CODES } from 'node:http';
import { MAX_JSON_BYTES } from '../content-types.ts';
import { asBody, PROBLEM_TYPE, PROBLEMS, type Problem } from '../problem.ts';

/** One example of each problem that a described route answers with. */
const EXAMPLES = {
  invalidRequest: PROBLEMS.invalidRequest(400, "'/products/%zz' is not a valid url component"),
  invalidParameter: PROBLEMS.invalidParameter('limit', 'must be a whole number from 1 to 1000'),
  unknownParameter: PROBLEMS.unknownParameter('serach', ['search', 'limit', 'after']),
  unreadableCommand: PROBLEMS.unreadableCommand({
    kind: 'unreadable',
    reason: 'invalid-data',
    message: 'AllocateOrder: qty must be at least 1',
    fields: [{ field: 'qty', message: 'must be at least 1' }],
  }),
  invalidBody: PROBLEMS.invalidBody('reason must be 1 to 500 characters', [
    { field: 'reason', message: 'must be 1 to 500 characters' },
  ]),
  reservedSource: PROBLEMS.reservedSource(),
  noHost: PROBLEMS.noHost(),
  notHttp: PROBLEMS.notHttp(),
  noToken: PROBLEMS.noToken(),
  badToken: PROBLEMS.badToken('The token is unknown here'),
  missingRole: PROBLEMS.missingRole('the shop', 'read', 'publish'),
  foreignPage: PROBLEMS.foreignPage(),
  unknownOrder: PROBLEMS.unknownOrder('order-1'),
  unknownBatch: PROBLEMS.unknownBatch('batch-1'),
  unknownProduct: PROBLEMS.unknownProduct('SMALL-TABLE'),
  unknownCommand: PROBLEMS.unknownCommand('cmd-1', 20_000),
  emptyPlace: PROBLEMS.emptyPlace('allocation.commands/0/7'),
  waitForBatch: PROBLEMS.waitForBatch(),
  unknownLane: PROBLEMS.unknownLane('7'),
  unknownLetter: PROBLEMS.unknownLetter('allocation.dead-letters/0/3'),
  unknownJob: PROBLEMS.unknownJob('5f0c7a52-7f0e-4b9c-9d39-0a4c8f5b8d11'),
  noAuditTopic: PROBLEMS.noAuditTopic(),
  unknownSchema: PROBLEMS.unknownSchema('Allocated', '7', ['/allocation/schemas/Allocated/1']),
  resolvedLetter: PROBLEMS.resolvedLetter(
    'allocation.dead-letters/0/3 was discarded before, so the edited command was not sent: ' +
      'publish it if it is still needed',
  ),
  moreLetters: PROBLEMS.moreLetters(7, 3),
  jobRunning: PROBLEMS.jobRunning({
    id: '5f0c7a52-7f0e-4b9c-9d39-0a4c8f5b8d11',
    act: 'dead-letters redrive',
    by: 'the operator',
  }),
  lateRequest: PROBLEMS.lateRequest(),
  largeCommand: PROBLEMS.largeCommand(),
  largeBody: PROBLEMS.largeBody(MAX_JSON_BYTES),
  largeForTopic: PROBLEMS.largeForTopic('The topic takes messages of at most 1000 bytes'),
  longName: PROBLEMS.invalidRequest(414, 'A name in the path is too long'),
  encodedCommand: PROBLEMS.encodedCommand('gzip'),
  notJson: PROBLEMS.notJson(),
  unknownContentType: PROBLEMS.unknownContentType(),
  unknownHost: PROBLEMS.unknownHost('shop.example'),
  manyRequests: PROBLEMS.manyRequests(1_000, 1),
  largeHeaders: PROBLEMS.largeHeaders(),
  fault: PROBLEMS.fault(),
  trouble: PROBLEMS.trouble('The database is unreachable (connection refused)'),
  manyReads: PROBLEMS.manyReads(),
  readingLetters: PROBLEMS.readingLetters(12_000, 90_000),
  manyCommands: PROBLEMS.manyCommands(),
} as const satisfies Readonly<
  // A route that does not exist, and a wrong method, belong to no described route.
  Record<Exclude<keyof typeof PROBLEMS, 'unknownRoute' | 'wrongMethod'> | 'longName', Problem>
>;

/** Every route has these problems. */
const COMMON = [
  'invalidRequest',
  'noHost',
  'notHttp',
  'foreignPage',
  'lateRequest',
  'unknownHost',
  'manyRequests',
  'largeHeaders',
  'fault',
] as const;
/** Every route that needs a role has these problems too. */
const OF_ROLES = ['noToken', 'badToken', 'missingRole', 'trouble'] as const;

/** Every route with a JSON body has these problems too. */
export const JSON_PROBLEMS = ['invalidBody', 'largeBody', 'notJson', 'encodedCommand'] as const;

type ProblemName = keyof typeof EXAMPLES;
/** A problem that a route must name, because not every route has it. */
export type OwnProblem = Exclude<ProblemName, (typeof COMMON | typeof OF_ROLES)[number]>;

const HEADERS: Readonly<Record<string, { readonly description: string; readonly type: string }>> = {
  'retry-after': { description: 'after how many seconds to try again', type: 'integer' },
  'www-authenticate': { description: 'what the token lacks (RFC 6750)', type: 'string' },
};

/** Describes the problems of a route as responses of OpenAPI, by status. */
export function problemResponses(
  needsRole: boolean,
  own: readonly OwnProblem[],
): Readonly<Record<string, object>> {
  const names: readonly ProblemName[] = [...COMMON, ...(needsRole ? OF_ROLES : []), ...own];
  const byStatus = Map.groupBy(names, (name) => EXAMPLES[name].status);
  const statuses = [...byStatus].toSorted(([one], [other]) => one - other);
  return Object.fromEntries(
    statuses.map(([status, sameStatus]) => [status, reference(status, sameStatus)]),
  );
}

/** The responses that most routes share, as components of the document. */
export const sharedResponses: Readonly<Record<string, object>> = Object.fromEntries(
  [...Map.groupBy([...COMMON, ...OF_ROLES], (name) => EXAMPLES[name].status)].map(
    ([status, names]) => [nameOf(status), responseOf(names)],
  ),
);

function reference(status: number, names: readonly ProblemName[]): object {
  const response = responseOf(names);
  const isShared = JSON.stringify(response) === JSON.stringify(sharedResponses[nameOf(status)]);
  return isShared ? { $ref: `#/components/responses/${nameOf(status)}` } : response;
}

function nameOf(status: number): string {
  return (STATUS_CODES[status] ?? '').replaceAll(' ', '');
}

function responseOf(names: readonly ProblemName[]): object {
  const problems: readonly Problem[] = names.map((name) => EXAMPLES[name]);
  const headers = Object.assign({}, ...problems.map(({ headers }) => headers));
  const fields = Object.entries(headers).map(([name, example]) => {
    const { description, type } = HEADERS[name] ?? { description: name, type: 'string' };
    return [name, { description, schema: { type }, example }];
  });
  const examples = names.map((name) => [name, { value: asBody(EXAMPLES[name]) }]);
  return {
    description: STATUS_CODES[problems[0]?.status ?? 0] ?? '',
    ...(fields.length > 0 && { headers: Object.fromEntries(fields) }),
    content: {
      [PROBLEM_TYPE]: {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(examples),
      },
    },
  };
}
