import { errorChain } from './error-chain.ts';

/** What is wrong with a connection. */
interface ConnectionProblem {
  /** What is wrong, and what to do. */
  readonly text: string;
  /** What to do, as the text ends. */
  readonly advice: string;
}

const UNKNOWN_CA = [
  'the certificate of the broker is signed by an unknown authority',
  'Set KAFKA_SSL_CA_FILE to the authority that signs the certificates of the brokers',
] as const;
/** A broker in Java gives the same alert for an expired certificate as for any other reason. */
const REFUSED_CERTIFICATE = [
  'the broker does not accept the certificate in KAFKA_SSL_CERT_FILE',
  'Use one that has not expired, and whose authority is in the trust store of the broker',
] as const;
/** Node has no code for a broker that breaks a connection off before TLS is agreed. */
export const BROKEN_HANDSHAKE = 'BROKEN_HANDSHAKE';
const NO_TLS = [
  'this port does not speak TLS',
  'Set KAFKA_SECURITY_PROTOCOL to the protocol of this listener, or KAFKA_BROKERS to another port',
] as const;

/**
 * What is wrong with a connection, and what to do, by Node's code of the error or the protocol's
 * name of the error. The name of a TLS alert begins with `ALERT_` here.
 */
const PROBLEMS: Readonly<Record<string, readonly [what: string, advice: string]>> = {
  CERT_HAS_EXPIRED: [
    'the certificate of the broker has expired',
    'Renew the certificate on the broker',
  ],
  CERT_NOT_YET_VALID: [
    'the certificate of the broker is not valid yet',
    'Check the clocks of both machines',
  ],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'the certificate of the broker names other hosts',
    'Use a host that the certificate names in KAFKA_BROKERS and in advertised.listeners, or ' +
      'issue a certificate with this host',
  ],
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_CA,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
  CERT_SIGNATURE_FAILURE: UNKNOWN_CA,
  [BROKEN_HANDSHAKE]: [
    'the broker breaks off the TLS handshake: this port does not speak TLS, or the broker does ' +
      'not accept the client',
    'Set KAFKA_SECURITY_PROTOCOL to the protocol of this listener, and look at the log of the ' +
      'broker',
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ALERT_CERTIFICATE_REQUIRED: [
    'the broker wants a certificate of the client',
    'Set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE',
  ],
  ALERT_HANDSHAKE_FAILURE: [
    'the broker refuses the TLS handshake',
    'Set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE if the broker wants a certificate of the ' +
      'client; else compare ssl.enabled.protocols of the broker',
  ],
  ALERT_CERTIFICATE_EXPIRED: [
    'the certificate in KAFKA_SSL_CERT_FILE has expired',
    'Renew the file; new connections use the new certificate without a restart',
  ],
  ALERT_BAD_CERTIFICATE: REFUSED_CERTIFICATE,
  ALERT_CERTIFICATE_UNKNOWN: REFUSED_CERTIFICATE,
  ALERT_UNKNOWN_CA: REFUSED_CERTIFICATE,
  UNSUPPORTED_SASL_MECHANISM: [
    'the broker does not offer this SASL mechanism (UNSUPPORTED_SASL_MECHANISM)',
    'Set KAFKA_SASL_MECHANISM to one of sasl.enabled.mechanisms of the broker',
  ],
  ILLEGAL_SASL_STATE: [
    'this listener takes no SASL now (ILLEGAL_SASL_STATE)',
    'Set KAFKA_SECURITY_PROTOCOL to the protocol of this listener',
  ],
};

/**
 * Says which node refuses a connection, why, and what to do.
 * @param node the node, as `host:port`; by default the one that the error names, if any
 * @returns null if neither TLS nor SASL is the problem
 */
export function connectionProblem(error: unknown, node = nodeIn(error)): ConnectionProblem | null {
  for (const { code, type, message } of errorChain(error)) {
    const name = String(type ?? code ?? '').replace(/^ERR_SSL_.*ALERT_/, 'ALERT_');
    const problem = PROBLEMS[name];
    if (problem === undefined) continue;
    const [what, next] = problem;
    // Node's message has the names in the certificate.
    const advice = name === 'ERR_TLS_CERT_ALTNAME_INVALID' ? `${next} (${message})` : next;
    return { text: `${node === null ? '' : `Kafka at ${node}: `}${what}. ${advice}`, advice };
  }
  return null;
}

function nodeIn(error: unknown): string | null {
  for (const { broker } of errorChain(error)) if (typeof broker === 'string') return broker;
  return null;
}
