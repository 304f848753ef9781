import { describe, expect, it } from 'vitest';
import { connectionProblem } from '../../../../../src/adapters/broker/kafka/security/connection-problems.ts';

const failed = (fields: object, message = 'failed') => Object.assign(new Error(message), fields);

describe('the problem of a connection', () => {
  it.each([
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'wants a certificate of the client'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'refuses the TLS handshake'],
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', 'KAFKA_SSL_CERT_FILE has expired'],
    ['ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', 'does not accept the certificate in KAFKA_SSL_CERT'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 'does not accept the certificate'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'does not accept the certificate'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS'],
    ['CERT_NOT_YET_VALID', 'not valid yet. Check the clocks'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'unknown authority. Set KAFKA_SSL_CA_FILE'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'unknown authority'],
  ])('is found by the code of Node: %s', (code, words) => {
    expect(connectionProblem(failed({ code, broker: 'one:9093' }))?.text).toContain(words);
  });

  it.each([
    ['UNSUPPORTED_SASL_MECHANISM', 33, 'does not offer this SASL mechanism'],
    ['ILLEGAL_SASL_STATE', 34, 'takes no SASL now'],
  ])('is found by the name of the protocol: %s', (type, code, words) => {
    expect(connectionProblem(failed({ type, code }))?.text).toContain(words);
  });

  it('is found behind other errors, and names the node', () => {
    const cause = failed({ code: 'CERT_HAS_EXPIRED', broker: 'one:9093' });
    const error = new AggregateError([new Error('other', { cause })]);
    expect(connectionProblem(error)?.text).toMatch(
      /^Kafka at one:9093: the certificate .* has expired/,
    );
    expect(connectionProblem(error, 'two:9093')?.text).toMatch(/^Kafka at two:9093: /);
  });

  it.each([
    failed({ code: 'ECONNREFUSED' }),
    failed({ type: 'TOPIC_AUTHORIZATION_FAILED', code: 29 }),
    'no error',
    null,
  ])('is null for another failure: %s', (error) => {
    expect(connectionProblem(error)).toBeNull();
  });
});
