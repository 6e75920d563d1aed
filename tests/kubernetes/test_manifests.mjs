// test_manifests.mjs - docker/kubernetes: what is there is right, and what would be wrong is found.
// ctest: cost=30
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import test, {after, before} from 'node:test';
import {endAll, source, startServer} from '../harness/server.mjs';
import {checkedConfig, files, folder, kustomization, manifests, meaningFaults, only, policyFaults, publicOf,
    schemaFaults, secrets, typeFaults} from './lib.mjs';

let config;
const metrics = new Set();

before(async () => {
    config = checkedConfig();
    const server = await startServer();
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`, {headers: {connection: 'close'}})).text();
    for (const [, name, kind] of text.matchAll(/^# TYPE (\S+) (\S+)/gm)) {
        metrics.add(name);
        if (kind === 'histogram') for (const end of ['bucket', 'sum', 'count']) metrics.add(`${name}_${end}`);
    }
    await server.stop();
});
after(endAll);

test('each document has the schema of its kind', () => {
    assert.deepEqual(schemaFaults(manifests()), []);
});

test('the documents name each other and what the daemon has, and run without rights', () => {
    assert.deepEqual(meaningFaults(manifests(), config, metrics), []);
});

test('the policy reaches what the guard calls public, and nothing else', () => {
    assert.deepEqual(policyFaults(only(manifests(), 'NetworkPolicy'), config.targets.ports), []);
    const holds = (family, text) => publicOf(family).some(([first, last]) => first <= text && text <= last);
    assert.ok(holds(4, 0x08080808n) && !holds(4, 0xa83f8110n) && !holds(4, 0x0a000001n) && !holds(4, 0xffffffffn));
    assert.ok(holds(6, 0x26064700n << 96n) && !holds(6, 0x20010db8n << 96n) && !holds(6, 1n) && !holds(6, 0xfd000000n << 96n));
});

test('kustomize has every file, and nothing that it does not know', () => {
    const own = ['kustomization.yaml', ...kustomization.resources, ...kustomization.configMapGenerator.flatMap((one) => one.files)];
    assert.deepEqual(own.sort(), files);
    assert.deepEqual(Object.keys(kustomization), ['apiVersion', 'kind', 'resources', 'configMapGenerator', 'images']);
    const [, version] = readFileSync(path.join(source, 'CMakeLists.txt'), 'utf8').match(/project\(batchgate VERSION (\S+)/);
    assert.equal(kustomization.images[0].newTag, version);
});

test('the configuration passes with the secrets that the guide names, and not without them', () => {
    const guide = readFileSync(path.join(source, 'docs/kubernetes.md'), 'utf8');
    for (const name of Object.keys(secrets)) assert.match(guide, new RegExp(`--from-literal=${name}=`));
    assert.deepEqual(config.auth.keys.map(({name, admin}) => [name, admin]), [['team-a', false], ['prometheus', true]]);
    assert.throws(() => checkedConfig(undefined, {}), /TEAM_A_SHA256/);
});

test('every metric that the manifests and the guide name exists', () => {
    const texts = [...files.map((name) => path.join(folder, name)), path.join(source, 'docs/kubernetes.md')];
    const named = texts.flatMap((name) => readFileSync(name, 'utf8').match(/\bbatchgate_[a-z_]+\b/g) ?? []);
    assert.ok(named.includes('batchgate_in_flight'));
    assert.deepEqual([...new Set(named)].filter((name) => !metrics.has(name)), []);
});

// What is done to the documents, and who must find it.
const pod = (document) => document.spec.template.spec;
const container = (document) => pod(document).containers[0];
const blocks = (document) => document.spec.egress[0].to.map(({ipBlock}) => ipBlock);
const open = (document, cidr, except) => document.spec.egress[0].to.push({ipBlock: {cidr, except}});
const DEPLOYMENT = 'Deployment', SERVICE = 'Service', POLICY = 'NetworkPolicy', BUDGET = 'PodDisruptionBudget',
    SCALER = 'HorizontalPodAutoscaler';
const doctored = [
    ['an unknown key of the pod', 'types', DEPLOYMENT, (one) => { pod(one).enableServiceLink = false; }],
    ['an unknown key of a probe', 'types', DEPLOYMENT, (one) => { container(one).livenessProbe.periodSecond = 1; }],
    ['an unknown key of a selector', 'types', POLICY, ({spec}) => { spec.podSelektor = {}; }],
    ['an unknown key of a block', 'types', POLICY, (one) => { blocks(one)[0].exept = []; }],
    ['an unknown key of the autoscaler', 'types', SCALER, ({spec}) => { spec.minReplica = 2; }],
    ['an unknown key of the budget', 'types', BUDGET, ({spec}) => { spec.maxUnavailables = 1; }],
    ['an unknown key of the Service', 'types', SERVICE, ({spec}) => { spec.ports[0].targetport = 1; }],

    ['a word for a number', 'schema', SCALER, ({spec}) => { spec.maxReplicas = 'ten'; }],
    ['a number for a switch', 'schema', DEPLOYMENT, (one) => { container(one).securityContext.readOnlyRootFilesystem = 1; }],
    ['no selector', 'schema', DEPLOYMENT, ({spec}) => { delete spec.selector; }],
    ['a kind that is none', 'schema', SERVICE, (one) => { one.apiVersion = 'v2'; }],

    ['an exception less', 'policy', POLICY, (one) => { blocks(one)[0].except.pop(); }],
    ['an exception too many', 'policy', POLICY, (one) => { blocks(one)[0].except.push('8.8.8.0/24'); }],
    ['an exception that is the block', 'policy', POLICY, (one) => { open(one, '10.0.0.0/8', ['10.0.0.0/8']); }],
    ['an exception of another family', 'policy', POLICY, (one) => { blocks(one)[0].except.push('::a00:0/104'); }],
    ['an exception outside', 'policy', POLICY, (one) => { blocks(one)[1].except.push('fc00::/7'); }],
    ['the metadata service open', 'policy', POLICY, (one) => { open(one, '169.254.169.254/32'); }],
    ['all of IPv6', 'policy', POLICY, (one) => { blocks(one)[1].cidr = '::/0'; }],
    ['a port more', 'policy', POLICY, ({spec}) => { spec.egress[0].ports.push({protocol: 'TCP', port: 22}); }],
    ['no ports: all', 'policy', POLICY, ({spec}) => { delete spec.egress[0].ports; }],
    ['DNS servers on every port', 'policy', POLICY, ({spec}) => { delete spec.egress[1].ports; }],
    ['an empty rule: all', 'policy', POLICY, ({spec}) => { spec.egress.push({}); }],
    ['not for egress', 'policy', POLICY, ({spec}) => { spec.policyTypes = ['Ingress']; }],

    ['pods that the policy does not select', 'meaning', POLICY, ({spec}) => { spec.podSelector.matchLabels.tier = 'x'; }],
    ['a budget of no pods', 'meaning', BUDGET, ({spec}) => { spec.selector.matchLabels = {app: 'batchgate'}; }],
    ['a Service without pods', 'meaning', SERVICE, ({spec}) => { spec.selector = {app: 'batchgate'}; }],
    ['a port without a name', 'meaning', SERVICE, ({spec}) => { spec.ports[0].targetPort = 'web'; }],
    ['no time to drain', 'meaning', DEPLOYMENT, (one) => { pod(one).terminationGracePeriodSeconds = 40; }],
    ['readiness asked of /healthz', 'meaning', DEPLOYMENT, (one) => { container(one).readinessProbe.httpGet.path = '/healthz'; }],
    ['no startup probe', 'meaning', DEPLOYMENT, (one) => { delete container(one).startupProbe; }],
    ['service links', 'meaning', DEPLOYMENT, (one) => { delete pod(one).enableServiceLinks; }],
    ['a token of the API', 'meaning', DEPLOYMENT, (one) => { delete pod(one).automountServiceAccountToken; }],
    ['root', 'meaning', DEPLOYMENT, (one) => { pod(one).securityContext.runAsUser = 0; }],
    ['a capability', 'meaning', DEPLOYMENT, (one) => { container(one).securityContext.capabilities.add = ['NET_ADMIN']; }],
    ['a root that can be written', 'meaning', DEPLOYMENT, (one) => { delete container(one).securityContext.readOnlyRootFilesystem; }],
    ['no seccomp', 'meaning', DEPLOYMENT, (one) => { pod(one).securityContext.seccompProfile.type = 'Unconfined'; }],
    ['no bound of memory', 'meaning', DEPLOYMENT, (one) => { delete container(one).resources.limits.memory; }],
    ['another ConfigMap', 'meaning', DEPLOYMENT, (one) => { pod(one).volumes[0].configMap.name = 'batchgate'; }],
    ['a metric that is none', 'meaning', SCALER, ({spec}) => { spec.metrics[0].pods.metric.name = 'batchgate_inflight'; }],
    ['a target that is never reached', 'meaning', SCALER, ({spec}) => { spec.metrics[0].pods.target.averageValue = '128'; }],
    ['another Deployment scaled', 'meaning', SCALER, ({spec}) => { spec.scaleTargetRef.name = 'gate'; }],
];

function doctor([, , kind, change]) {
    const documents = manifests();
    change(only(documents, kind));
    return documents;
}

test('doctored documents are found out', async (context) => {
    const judges = {
        schema: schemaFaults,
        policy: (documents) => policyFaults(only(documents, 'NetworkPolicy'), config.targets.ports),
        meaning: (documents) => meaningFaults(documents, config, metrics),
    };
    for (const row of doctored.filter(([, judge]) => judge !== 'types'))
        await context.test(row[0], () => assert.equal(judges[row[1]](doctor(row)).length, 1, 'faults'));
});

test('no document has a key that its kind does not know, and each that is doctored in has is found', () => {
    const good = manifests();
    const rows = doctored.filter(([, judge]) => judge === 'types');
    const faults = typeFaults([...good, ...rows.map((row) => only(doctor(row), row[2]))]);
    assert.deepEqual(faults.slice(0, good.length), good.map(() => []));
    rows.forEach(([name], i) => assert.equal(faults[good.length + i].length, 1, name));
});
