// peer.mjs URL CALLS IN_FLIGHT - the same calls with Node's own fetch; prints JSON like bareloop.
const [url, calls, inFlight] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
let left = calls;
let failed = 0;

async function runOne() {
	while (left-- > 0) {
		const answer = await fetch(url);
		await answer.text();
		if (answer.status !== 200) failed++;
	}
}

const began = process.hrtime.bigint();
await Promise.all(Array.from({ length: inFlight }, runOne));
const usage = process.cpuUsage();
console.log(
	JSON.stringify({
		calls,
		failed,
		cpu_us: usage.user + usage.system,
		wall_us: Number((process.hrtime.bigint() - began) / 1000n),
	}),
);
