"""Reports the cost of each front as a table in Markdown. Pure."""

from statistics import mean, median

from fronts.front_calls import Front
from fronts.front_lines import BASE


def report(fronts: dict[str, Front]) -> str:
    rows = ["| front | CPU ms per s of call | range | ratio to gRPC | first audio, ms p50 |"]
    rows.append("|---|---|---|---|---|")
    base = mean(fronts[BASE].cpu_ms_per_call_s)
    for name, front in fronts.items():
        cpu = front.cpu_ms_per_call_s
        rows.append(
            f"| {name} | {mean(cpu):.2f} | {min(cpu):.2f} to {max(cpu):.2f} "
            f"| {mean(cpu) / base:.2f} | {median(front.first_audio_ms):.0f} |"
        )
    return "\n".join(rows)
