// lib.mjs - what is wrong with manifests: judged by Kubernetes' schemas, by its types, and by what the source says.
// Each judge takes documents and gives a list of faults, so that doctored documents can be shown to it as well.
import {execFileSync} from 'node:child_process';
import {readFileSync, readdirSync} from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import ts from 'typescript';
import YAML from 'yaml';
import {binary, source} from '../harness/server.mjs';

const require = createRequire(import.meta.url);
export const folder = path.join(source, 'docker/kubernetes');
const read = (name) => readFileSync(path.join(source, name), 'utf8');

export function parse(text, name) {
    return YAML.parseAllDocuments(text, {strict: true, uniqueKeys: true}).map((document) => {
        if (document.errors.length > 0) throw new Error(`${name}: ${document.errors.join('\n')}`);
        return document.toJS();
    });
}

export const files = readdirSync(folder).filter((name) => name.endsWith('.yaml')).sort();
const [kustomization] = parse(readFileSync(path.join(folder, 'kustomization.yaml'), 'utf8'), 'kustomization.yaml');
export {kustomization};

export function manifests() {
    return kustomization.resources.flatMap((name) => parse(readFileSync(path.join(folder, name), 'utf8'), name));
}

export const only = (documents, kind) => {
    const found = documents.filter((document) => document.kind === kind);
    if (found.length !== 1) throw new Error(`${found.length} documents of kind ${kind}`);
    return found[0];
};

// Types, required keys, ranges; unknown keys pass.
export function schemaFaults(documents) {
    return documents.flatMap((document) => {
        const {apiVersion, kind} = document;
        try {
            const Model = require(`kubernetes-models/${apiVersion}/${kind}`)[kind];
            new Model(document).validate();
            return [];
        } catch (error) {
            return [`${apiVersion} ${kind}: ${error.message}`];
        }
    });
}

// Unknown keys, too: a document is a literal of its kind's type, and TypeScript wants no more in it than the type has.
// One list of faults for each document; the compiler runs once.
export function typeFaults(documents) {
    const generated = path.join(source, 'tests/kubernetes/generated.mts'); // in memory only
    const starts = [];
    let text = '';
    documents.forEach(({apiVersion, kind, ...rest}, i) => {
        starts.push(text.length);
        text += `import type {I${kind} as T${i}} from 'kubernetes-models/${apiVersion}/${kind}';\n` +
            `export const d${i}: T${i} = ${JSON.stringify({apiVersion, kind, ...rest}, null, 1)};\n`;
    });
    const options = {
        noEmit: true, strict: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16,
    };
    const host = ts.createCompilerHost(options);
    const {fileExists, readFile, getSourceFile} = host;
    host.fileExists = (name) => name === generated || fileExists(name);
    host.readFile = (name) => name === generated ? text : readFile(name);
    host.getSourceFile = (name, ...rest) => name === generated
        ? ts.createSourceFile(name, text, options.target, true) : getSourceFile(name, ...rest);
    const faults = documents.map(() => []);
    for (const {start, file, messageText} of ts.getPreEmitDiagnostics(ts.createProgram([generated], options, host))) {
        const message = ts.flattenDiagnosticMessageText(messageText, ' ');
        if (!file || file.fileName !== generated) throw new Error(message);
        faults[starts.findLastIndex((at) => at <= start)].push(message);
    }
    return faults;
}

// Networks as [first, last] of numbers, so that lists of them can be compared by what they mean.
function numberOf(address) {
    if (address.includes('.')) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
    const [head, tail] = address.split('::').map((side) => side ? side.split(':') : []);
    const groups = tail === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
    return groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

function rangeOf(cidr) {
    const [address, prefix] = cidr.split('/');
    const size = 1n << BigInt((address.includes(':') ? 128 : 32) - Number(prefix));
    const first = numberOf(address);
    if (first % size !== 0n) throw new Error(`${cidr}: bits behind the prefix`);
    return [first, first + size - 1n];
}

// What of `from` (sorted, apart) is not in `range`.
const without = (from, [first, last]) => from.flatMap(([low, high]) => [
    [low, high < first ? high : first - 1n], [low > last ? low : last + 1n, high],
].filter(([a, b]) => a <= b && (b < first || a > last)));

const merged = (ranges) => ranges.sort(([a], [b]) => a < b ? -1 : 1).reduce((done, [first, last]) => {
    const end = done.at(-1);
    if (end && first <= end[1] + 1n) end[1] = end[1] > last ? end[1] : last;
    else done.push([first, last]);
    return done;
}, []);

// What pool/address.c calls public, of its table for one family: there the first row that holds an address decides.
export function publicOf(family) {
    const table = read('pool/address.c').match(new RegExp(`ip${family}_blocks\\[\\] = \\{(.*?)\\n\\};`, 's'))[1];
    const bits = family === 4 ? 32 : 128;
    const found = [];
    let undecided = [[0n, (1n << BigInt(bits)) - 1n]];
    const rows = [...table.matchAll(/\{\{([^}]*)\},\s*(\d+),\s*GUARD_(\w+)\}/g)];
    if (rows.length !== table.match(/GUARD_/g).length) throw new Error('pool/address.c: not understood');
    for (const [, list, prefix, kind] of rows) {
        const bytes = Array(bits / 8).fill(0n);
        let at = 0;
        for (const word of list.split(',').map((part) => part.trim())) {
            const [, place, value] = word.match(/^(?:\[(\d+)\] = )?(\w+)$/);
            if (place !== undefined) at = Number(place);
            bytes[at++] = BigInt(value);
        }
        const size = 1n << BigInt(bits - Number(prefix));
        const first = bytes.reduce((sum, byte) => sum * 256n + byte, 0n);
        const block = [first, first + size - 1n];
        const rest = without(undecided, block);
        if (kind === 'PUBLIC')
            found.push(...rest.reduce((left, range) => left.flatMap((one) => without([one], range)), undecided));
        undecided = rest;
    }
    return merged(found);
}

export function policyFaults(policy, ports) {
    const faults = [];
    const reached = {4: [], 6: []};
    for (const rule of policy.spec.egress) {
        if (!rule.to?.length) {
            faults.push('a rule for every address');
            continue;
        }
        const blocks = rule.to.filter((peer) => peer.ipBlock);
        if (blocks.length === 0 && !rule.ports?.length) faults.push('a rule for every port');
        if (blocks.length > 0 && JSON.stringify(rule.ports) !== JSON.stringify(ports.map((port) => ({protocol: 'TCP', port}))))
            faults.push(`ports are not those of targets.ports: ${JSON.stringify(rule.ports)}`);
        for (const {ipBlock: {cidr, except = []}} of blocks) {
            const [first, last] = rangeOf(cidr);
            let ranges = [[first, last]];
            for (const one of except) {
                const range = rangeOf(one);
                const inside = range[0] >= first && range[1] <= last && range[1] - range[0] < last - first;
                if (!inside || one.includes(':') !== cidr.includes(':'))
                    faults.push(`${one} does not lie in ${cidr}: the API refuses it`);
                ranges = without(ranges, range);
            }
            reached[cidr.includes(':') ? 6 : 4].push(...ranges);
        }
    }
    if (!policy.spec.policyTypes?.includes('Egress')) faults.push('the policy is not for egress');
    for (const family of [4, 6]) {
        const show = (ranges) => ranges.map(([a, b]) => `${a.toString(16)}-${b.toString(16)}`).join(' ');
        const [is, shall] = [show(merged(reached[family])), show(publicOf(family))];
        if (is !== shall) faults.push(`IPv${family}: reached are\n${is}\nthe guard calls public\n${shall}`);
    }
    return faults;
}

const names = (object) => JSON.stringify(object ?? null);
const UNITS = {ms: 1, s: 1000, m: 60_000, h: 3_600_000};
const milliseconds = (text) => parseInt(text) * UNITS[text.match(/[a-z]+$/)[0]];

// What the standard "restricted" of Pod Security asks for, and a root that cannot be written.
function securityFaults({securityContext: pod = {}, containers}) {
    const [, user] = read('docker/Dockerfile').match(/^USER (\d+)/m);
    const wanted = [
        ['runAsNonRoot', pod.runAsNonRoot, true],
        ['runAsUser', String(pod.runAsUser), user],
        ['seccompProfile', pod.seccompProfile?.type, 'RuntimeDefault'],
    ];
    for (const {securityContext: own = {}} of containers)
        wanted.push(
            ['allowPrivilegeEscalation', own.allowPrivilegeEscalation, false],
            ['privileged', own.privileged ?? false, false],
            ['readOnlyRootFilesystem', own.readOnlyRootFilesystem, true],
            ['capabilities', names(own.capabilities), names({drop: ['ALL']})]);
    return wanted.filter(([, is, shall]) => is !== shall).map(([name, is, shall]) => `${name} is ${is}, not ${shall}`);
}

// That the documents name each other, and what the daemon has.
export function meaningFaults(documents, config, metrics) {
    const faults = [];
    const expect = (what, is, shall) => names(is) === names(shall) || faults.push(`${what}: ${names(is)}, not ${names(shall)}`);
    const deployment = only(documents, 'Deployment');
    const {template} = deployment.spec;
    const {labels} = template.metadata;
    const [container] = template.spec.containers;
    const port = container.ports.find(({name}) => name === 'http');

    for (const [what, selector] of [
        ['Deployment', deployment.spec.selector.matchLabels],
        ['Service', only(documents, 'Service').spec.selector],
        ['NetworkPolicy', only(documents, 'NetworkPolicy').spec.podSelector.matchLabels],
        ['PodDisruptionBudget', only(documents, 'PodDisruptionBudget').spec.selector.matchLabels],
        ...template.spec.topologySpreadConstraints.map((one) => ['topologySpreadConstraints', one.labelSelector.matchLabels]),
    ]) expect(`${what} selects`, selector, labels);
    expect('containerPort', port.containerPort, config.server.port);
    expect('enableServiceLinks', template.spec.enableServiceLinks, false);
    expect('automountServiceAccountToken', template.spec.automountServiceAccountToken, false);
    for (const {targetPort} of only(documents, 'Service').spec.ports) expect('targetPort', targetPort, port.name);
    for (const [probe, route] of [['startupProbe', '/healthz'], ['livenessProbe', '/healthz'], ['readinessProbe', '/readyz']])
        expect(probe, container[probe]?.httpGet, {path: route, port: port.name});
    if (template.spec.terminationGracePeriodSeconds * 1000 <=
        milliseconds(config.server.drain_delay) + milliseconds(config.server.drain_timeout))
        faults.push('terminationGracePeriodSeconds is not above drain_delay + drain_timeout');
    for (const limit of ['cpu', 'memory'])
        if (!container.resources?.requests?.[limit] || !container.resources?.limits?.[limit])
            faults.push(`no ${limit} in resources`);

    const volume = template.spec.volumes.find(({configMap}) => configMap);
    const [generator] = kustomization.configMapGenerator;
    const mount = container.volumeMounts.find(({name}) => name === volume.name);
    expect('the ConfigMap', volume.configMap.name, generator.name);
    expect('args', container.args, ['serve', '--config', `${mount.mountPath}/${generator.files[0]}`]);
    expect('the image', container.image, kustomization.images[0].name);

    const scaler = only(documents, 'HorizontalPodAutoscaler');
    const {apiVersion, kind, metadata: {name}} = deployment;
    expect('scaleTargetRef', scaler.spec.scaleTargetRef, {apiVersion, kind, name});
    const reachable = Math.min(config.pool.max_in_flight, ...config.upstreams.map(({concurrency}) => concurrency));
    for (const {pods: {metric, target}} of scaler.spec.metrics) {
        if (!metrics.has(metric.name)) faults.push(`no such metric: ${metric.name}`);
        if (metric.name === 'batchgate_in_flight' && !(Number(target.averageValue) < reachable))
            faults.push(`${target.averageValue} in flight is never reached`);
    }
    return [...faults, ...securityFaults(template.spec)];
}

export const secrets = {TEAM_A_SHA256: '1'.repeat(64), PROMETHEUS_SHA256: '2'.repeat(64)};

// What is in force with the configuration of the pods; throws what the daemon says against it.
export function checkedConfig(file = path.join(folder, 'batchgate.yaml'), env = secrets) {
    const printed = execFileSync(binary, ['check', '--print', '--config', file], {encoding: 'utf8', stdio: 'pipe', env});
    return YAML.parse(printed);
}
