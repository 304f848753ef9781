// @ts-check
/*
 * What the API answers, as far as the page reads it. contract/openapi.json has all of it.
 */

/** @typedef {{ by: string, at: string, reason: string }} Pause */

/**
 * @typedef {object} Lane
 * @property {number} partition
 * @property {string | null} instance
 * @property {'working' | 'opening' | 'paused' | 'stuck' | 'refused' | 'elsewhere' | 'unassigned'} state
 * @property {string | null} problem
 * @property {number | null} position
 * @property {number | null} committedOffset
 * @property {number | null} endOffset
 * @property {number | null} lagMessages
 * @property {number | null} lagSeconds
 * @property {{ at: string, cause: string, message: string } | null} lastReopening
 * @property {Pause | null} paused
 */

/**
 * @typedef {object} Member
 * @property {string} instance
 * @property {string} host
 * @property {number[]} partitions
 * @property {boolean} isThis
 */

/**
 * @typedef {object} Status
 * @property {{ version: string, instance: string, startedAt: string, broker: string,
 *   database: string, topics: Record<string, string> }} service
 * @property {{ name: string, role: 'read' | 'publish' | 'operate' } | null} caller
 * @property {boolean} isReady
 * @property {string[]} problems
 * @property {Lane[]} lanes
 * @property {Member[]} members
 * @property {boolean} areMembersKnown
 * @property {{ open: number | null, oldestAt: string | null, parked: number | null }} deadLetters
 * @property {{ state: 'none' | 'running' | 'failed', progress: string | null }} recovery
 */

/** @typedef {{ at: string, commandsPerSecond: number, lagSeconds: number | null }} Point */

/**
 * @typedef {object} DeadLetter
 * @property {string} id
 * @property {string} place
 * @property {string} at
 * @property {string} reason
 * @property {string} cause
 * @property {string | null} type
 * @property {string | null} sku
 * @property {string | null} orderid
 * @property {string | null} commandId
 * @property {string} status
 * @property {string | null} parkedBehind
 * @property {'good' | 'fails-again' | 'ignores-fields'} outlook
 */

/** @typedef {{ failure: string | null, ignored: string[] }} Expected */

/**
 * @typedef {DeadLetter & {
 *   headers: [string, string][], data: string | null, encoding: 'utf-8' | 'base64',
 *   message: string, command: { type: string | null, data: unknown } | null,
 *   inPlainWords: string, whatToDo: string, expected: Expected, key: string | null,
 *   chain: string[], hasMoreChain: boolean, redrives: number,
 *   acts: { act: string, by: string | null, at: string, replacedBy?: string }[],
 * }} WholeLetter
 */

/**
 * How far the service has read the dead letters topic.
 *
 * @typedef {object} Reading
 * @property {boolean} isComplete
 * @property {number} readOffsets
 * @property {number} totalOffsets
 * @property {number} leftOut
 */

/**
 * What a redrive, a discard or an edit would do.
 *
 * @typedef {object} Preview
 * @property {number} count
 * @property {{ id: string, act: string, key: string | null, type: string | null,
 *   commandId: string, expected: Expected }[]} records
 * @property {number} refusalCount
 * @property {{ id: string, why: string }[]} refusals
 * @property {number} discardCount
 * @property {number} alreadyResolved
 * @property {number} failsAgain
 * @property {number} ignoresFields
 */

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} act
 * @property {'running' | 'done' | 'failed' | 'cancelled'} state
 * @property {number} done
 * @property {number | null} total
 * @property {string} message
 * @property {any} result
 */

/**
 * @typedef {object} Step
 * @property {string} at
 * @property {string} kind
 * @property {string} place
 * @property {string | null} key
 * @property {string | null} type
 * @property {string | null} commandId
 * @property {string | null} eventId
 * @property {string | null} sku
 * @property {string | null} batchref
 * @property {number | null} sequence
 * @property {string} details
 * @property {string} sortKey
 */

/**
 * @typedef {object} CloudEvent
 * @property {string} id
 * @property {string} type
 * @property {string} [time]
 * @property {string | number} [sequence]
 * @property {Record<string, any>} data
 */

export {};
