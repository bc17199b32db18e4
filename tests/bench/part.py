"""One part URL per request, as Uppy asks for them: ours against Companion's, one server core each."""

from common import MIB, Gantry, alternate, load, median, peer, ratio, say

ROUNDS = 3
CONNECTIONS = (1, 6, 32)
PARTS = 10_000


def main():
    with peer("companion"), Gantry() as gantry:
        wish = {"filename": "a.bin", "size": PARTS * 8 * MIB, "part_size": 8 * MIB, "method": "multipart", "urls": 1}
        upload = gantry.ask("POST", "/v1/uploads", wish)["upload"]["id"]
        common = {"runs": 1, "secs": 4, "out": "partrate"}

        def ours(connections):
            (row,) = load(
                "wrk",
                name="ours",
                pids=gantry.pid,
                base=gantry.url,
                path=f"/v1/uploads/{upload}/urls",
                method="POST",
                body='{"parts":[{n}]}',
                header=[gantry.auth],
                conc=connections,
                **common,
            )
            return row

        def companion(connections):
            (row,) = load(
                "wrk",
                name="companion",
                pids="companion",
                base="http://127.0.0.1:7101",
                path="/s3/multipart/0000/{n}?key=a.bin",
                conc=connections,
                **common,
            )
            return row

        for connections in CONNECTIONS:
            rows = alternate(ROUNDS, ours=lambda: ours(connections), companion=lambda: companion(connections))
            rate = {}
            for side in rows:
                bad = sum(row["bad"] + row["sock"] for row in rows[side])
                rate[side] = median(rows[side], "rps")
                p50, p99, cpu = (median(rows[side], key) for key in ("p50_ms", "p99_ms", "cpu_us_per_req"))
                say(f"{side}, {connections} connections: {rate[side]:.0f}/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, "
                    f"{cpu:.0f} µs of CPU each, {bad} failed")
            ratio(f"part URLs one by one, {connections} connections", rate["ours"], rate["companion"], "URLs/s", at_least=100)


main()
