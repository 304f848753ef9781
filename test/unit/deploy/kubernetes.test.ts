import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describedMetrics } from '../../../contract/described-metrics.ts';
import { readConfig } from '../../../src/config.ts';
import {
  imageEnvironment,
  imageInstructions,
  readDeployed,
  root,
  unknownNames,
  yamlOf,
} from '../../support/deployment.ts';
import { typeErrors } from '../../support/kubernetes-types.ts';

const folder = 'deploy/kubernetes';
const deployment = yamlOf(`${folder}/base/deployment.yaml`);
const pod = deployment.spec.template.spec;
const [migration] = pod.initContainers;
const [service] = pod.containers;
const scaled = yamlOf(`${folder}/keda/scaled-object.yaml`).spec;

function settingsOf(kustomization: string): Record<string, string> {
  const [{ literals }] = yamlOf(kustomization).configMapGenerator;
  return Object.fromEntries(literals.map((literal: string) => literal.split(/=(.*)/).slice(0, 2)));
}

const base = settingsOf(`${folder}/base/kustomization.yaml`);
const example = { ...base, ...settingsOf(`${folder}/example/kustomization.yaml`) };
const secrets = {
  DATABASE_URL: 'postgresql://stock_service:secret@db.example.com/stock',
  KAFKA_SASL_PASSWORD: 'secret',
};

const kustomize = (overlay: string) =>
  spawnSync('kubectl', ['kustomize', `${folder}/${overlay}`], { cwd: root, encoding: 'utf8' });
const hasKubectl = spawnSync('kubectl', ['kustomize', '--help']).status === 0;
if (!hasKubectl)
  process.stderr.write('Tests of `kubectl kustomize` are skipped: there is no kubectl\n');

describe('The manifests for Kubernetes', () => {
  it('have only fields that Kubernetes knows, with values of their types', async () => {
    const files = globSync(`${folder}/**/*.yaml`, { cwd: root });
    expect(files.length).toBeGreaterThan(5);
    expect(await typeErrors(files)).toBe('');
  });

  it('are refused if a field is misspelt or has another type', async () => {
    const wrong = structuredClone(deployment);
    wrong.spec.template.spec.containers[0].readinesProbe = {};
    wrong.spec.minReadySeconds = '15';
    const errors = await typeErrors([], { 'wrong.yaml': wrong });
    expect(errors).toContain('"readinesProbe"\' does not exist in type');
    expect(errors).toContain("Type 'string' is not assignable to type 'number'");
  });

  it.each([
    ['base', base],
    ['example', example],
  ])('give the service settings with which it starts: %s', (_, settings) => {
    const variables = { ...imageEnvironment(), ...settings };
    expect(unknownNames(variables)).toEqual([]);
    const config = readDeployed(variables, secrets);
    expect(config.kafkaBrokers).not.toBeNull();
    expect(config.instanceId).toBeNull();
  });

  it('mount a folder for each file that a setting names, the owner apart', () => {
    const folders = (container: typeof service) =>
      container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath);
    for (const [name, path] of Object.entries(example))
      if (name.endsWith('_FILE')) expect(folders(service), name).toContain(dirname(path));
    const [{ name, value }] = migration.env;
    expect(name).toBe('DATABASE_URL_FILE');
    expect(folders(migration)).toEqual([dirname(value)]);
    expect(folders(service)).not.toContain(dirname(value));
  });

  it('run the user of the image, on a file system that it cannot write to', () => {
    const { runAsUser, runAsGroup, runAsNonRoot } = pod.securityContext;
    expect([`${runAsUser}:${runAsGroup}`]).toEqual(imageInstructions().get('USER'));
    expect(runAsNonRoot).toBe(true);
    for (const { securityContext } of [migration, service])
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
  });

  it('agree about the ports', () => {
    const { httpPort, httpDoors } = readDeployed({ ...imageEnvironment(), ...base }, secrets);
    const ports = Object.fromEntries(
      service.ports.map((each: { name: string; containerPort: number }) => [
        each.name,
        each.containerPort,
      ]),
    );
    expect(ports).toEqual({ http: httpPort, metrics: httpDoors.metricsPort });
    expect([String(ports.http)]).toEqual(imageInstructions().get('EXPOSE'));
    const { annotations } = deployment.spec.template.metadata;
    expect(annotations['prometheus.io/port']).toBe(String(ports.metrics));
    const [http] = yamlOf(`${folder}/base/service.yaml`).spec.ports;
    expect(http.targetPort).toBe('http');
    const { ingress } = yamlOf(`${folder}/base/network-policy.yaml`).spec;
    expect(ingress.map(({ ports: [port] }: { ports: { port: string }[] }) => port?.port)).toEqual([
      'http',
      'metrics',
    ]);
    for (const probe of [service.startupProbe, service.livenessProbe, service.readinessProbe])
      expect(probe.httpGet.port).toBe('metrics');
  });

  it('select the pods of the deployment by one label', () => {
    const { labels } = deployment.spec.template.metadata;
    const of = (name: string) => yamlOf(`${folder}/base/${name}.yaml`).spec;
    expect(deployment.spec.selector.matchLabels).toEqual(labels);
    expect(of('service').selector).toEqual(labels);
    expect(of('pod-disruption-budget').selector.matchLabels).toEqual(labels);
    expect(of('network-policy').podSelector.matchLabels).toEqual(labels);
    expect(pod.topologySpreadConstraints[0].labelSelector.matchLabels).toEqual(labels);
  });

  it('scale by a metric of the service, up to the number of partitions', () => {
    const [{ type, metadata }] = scaled.triggers;
    expect(type).toBe('prometheus');
    const [name = ''] = /\w+(?=\))/.exec(metadata.query) ?? [];
    expect(describedMetrics().map((each) => each.name)).toContain(name);
    expect(scaled.scaleTargetRef.name).toBe(deployment.metadata.name);
    expect(scaled.minReplicaCount).toBe(deployment.spec.replicas);
    expect(scaled.maxReplicaCount).toBe(readConfig({}).topicPartitions);
  });

  it.skipIf(!hasKubectl).each(['base', 'example'])('are built by kubectl kustomize: %s', (name) => {
    const { status, stdout, stderr } = kustomize(name);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/name: allocation-settings-\w{10}$/m);
    expect(stdout.includes('kind: ScaledObject')).toBe(name === 'example');
    expect(/^ {2}replicas: 2$/m.test(stdout)).toBe(name === 'base');
  });
});
