import type { Mechanism } from 'kafkajs';
import { TroubleError } from '../../../../service-layer/errors.ts';
import {
  createDecoder,
  createEncoder,
  type PasswordMechanism,
  passwordAuthenticators,
} from '../kafkajs-internals.ts';
import { errorChain } from './error-chain.ts';
import type { OAuthTokens } from './oauth-tokens.ts';

type AuthenticationProvider = Mechanism['authenticationProvider'];
type Conversation = Parameters<AuthenticationProvider>[0];

/** Separates the parts of a message of OAUTHBEARER. A lone separator ends a failed conversation. */
const SEPARATOR = '\u0001';
const MAX_REASON_CHARACTERS = 200;

/** Authenticates each connection as a user with a password. */
export function byPassword(
  mechanism: PasswordMechanism,
  credentials: { readonly username: string; readonly password: string },
): Mechanism {
  const provider = passwordAuthenticators[mechanism](credentials);
  const refusal: Refusal = {
    becauseOf: (node, reason) =>
      `Kafka at ${node} refuses the user ${credentials.username} (${mechanism}: ${reason})`,
    advice: 'Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, and that the broker knows the user',
  };
  return {
    mechanism,
    authenticationProvider: (conversation) => {
      let failure: unknown = null;
      const noting: Conversation = {
        ...conversation,
        saslAuthenticate: (message) =>
          conversation.saslAuthenticate(message).catch((error: unknown) => {
            failure = error;
            throw error;
          }),
      };
      return explained(conversation, refusal, async () => {
        // kafkajs wraps the failure, and loses what kind of failure it was.
        await provider(noting)
          .authenticate()
          .catch((error: unknown) => Promise.reject(failure ?? error));
      });
    },
  };
}

/**
 * Authenticates each connection by a token.
 *
 * kafkajs's own authenticator takes the refusal of a token for success.
 * Source: RFC 7628, and OAuthBearerSaslServer of Apache Kafka.
 */
export function byToken(tokens: OAuthTokens): Mechanism {
  const refusal: Refusal = {
    becauseOf: (node, reason) =>
      `Kafka at ${node} refuses the token of ${tokens.subject} (OAUTHBEARER: ${reason})`,
    advice:
      'Check the issuer, the audience and KAFKA_SASL_OAUTHBEARER_SCOPE against what the broker ' +
      'expects',
  };
  return {
    mechanism: 'OAUTHBEARER',
    authenticationProvider: (conversation) =>
      explained(conversation, refusal, async () => {
        const token = await tokens.current();
        const greeting = ['n,,', `auth=Bearer ${token}`, '', ''].join(SEPARATOR);
        try {
          const answer = await say(conversation, greeting);
          if (answer === '') return;
          // Kafka answers this message with an error.
          await say(conversation, SEPARATOR);
          throw refused(answer);
        } catch (error) {
          if (!isOfConnection(error)) tokens.forget();
          throw error;
        }
      }),
  };
}

/** How an authenticator explains that a broker refuses it. */
interface Refusal {
  readonly becauseOf: (node: string, reason: string) => string;
  readonly advice: string;
}

/** Makes the error of a broker's refusal, as kafkajs reports SASL_AUTHENTICATION_FAILED. */
function refused(reason: string): Error {
  return Object.assign(new Error(reason), { type: 'SASL_AUTHENTICATION_FAILED' });
}

/** Makes an authenticator whose error says which broker refuses whom. */
function explained(
  { host, port }: Conversation,
  { becauseOf, advice }: Refusal,
  authenticate: () => Promise<void>,
): ReturnType<AuthenticationProvider> {
  return {
    authenticate: async () => {
      try {
        await authenticate();
      } catch (cause) {
        // Another try may help after an error of the connection.
        if (cause instanceof TroubleError || isOfConnection(cause)) throw cause;
        const { message } = cause as Error;
        const reason = message.replaceAll(/\p{C}/gu, ' ').slice(0, MAX_REASON_CHARACTERS);
        const what = becauseOf(`${host}:${port}`, reason);
        throw new TroubleError(`${what}. ${advice}`, { cause, advice });
      }
    },
  };
}

function isOfConnection(error: unknown): boolean {
  return [...errorChain(error)].some(({ name }) => name.startsWith('KafkaJSConnection'));
}

/** Sends the text. @returns the broker's answer */
async function say({ saslAuthenticate }: Conversation, text: string): Promise<string> {
  const answer = await saslAuthenticate({
    request: { encode: async () => createEncoder().writeBytes(Buffer.from(text)).buffer },
    response: {
      decode: (bytes) => createDecoder(bytes).readBytes() ?? Buffer.alloc(0),
      parse: (answered) => answered.toString(),
    },
  });
  return answer ?? '';
}
