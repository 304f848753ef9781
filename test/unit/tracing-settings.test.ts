import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';

const ON = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
const read = (environment: Record<string, string>) => readConfig(environment).tracing;

describe('The settings of the traces', () => {
  it('turn tracing on with an endpoint alone', () => {
    expect(read({ OTEL_SERVICE_NAME: 'stock', OTEL_TRACES_SAMPLER: 'always_on' })).toBeNull();
    expect(read(ON)).toEqual({
      url: 'http://collector:4318/v1/traces',
      headers: {},
      resourceAttributes: { 'service.name': 'allocation' },
      sampler: { root: 'always_on', isParentBased: true, ratio: 1 },
    });
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/' }, 'http://c:4318/v1/traces'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c/otlp' }, 'https://c/otlp/v1/traces'],
    [{ ...ON, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t:1/here' }, 'http://t:1/here'],
  ])('%j export to %s', (environment, url) => {
    expect(read(environment)?.url).toBe(url);
  });

  it('read lists whose names and values are percent-encoded', () => {
    const tracing = read({
      ...ON,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20YTpi, x-team = stock ,x-a=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-a=2',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=other',
    });
    expect(tracing?.headers).toEqual({
      authorization: 'Basic YTpi',
      'x-team': 'stock',
      'x-a': '2',
    });
    expect(tracing?.resourceAttributes).toEqual({
      'deployment.environment.name': 'test',
      'service.name': 'other',
    });
  });

  it('prefer the name of the service to its attributes', () => {
    const named = { OTEL_SERVICE_NAME: 'stock', OTEL_RESOURCE_ATTRIBUTES: 'service.name=other' };
    expect(read({ ...ON, ...named })?.resourceAttributes).toEqual({ 'service.name': 'stock' });
  });

  it('choose the sampler', () => {
    const chosen = {
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    };
    expect(read({ ...ON, ...chosen })?.sampler).toEqual({
      root: 'traceidratio',
      isParentBased: true,
      ratio: 0.25,
    });
  });

  it.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'grpc://collector'],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
    ['OTEL_TRACES_SAMPLER_ARG', '-1'],
  ])('refuse %s=%s, and show it', (name, value) => {
    expect(() => read({ [name]: value })).toThrow(`${name}=${value} is not valid`);
  });

  it.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://user:pa55@collector'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'pa55'],
    ['OTEL_EXPORTER_OTLP_HEADERS', '=pa55'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a=%pa55'],
    ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'a=pa55%0A'],
  ])('refuse a wrong %s, and do not show what may be a secret', (name, value) => {
    expect(() => read({ ...ON, [name]: value })).toThrow(`${name} is not valid`);
    expect(() => read({ ...ON, [name]: value })).not.toThrow(/pa55/);
  });
});
