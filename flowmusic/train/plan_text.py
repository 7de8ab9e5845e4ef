"""A plan as text for people."""

from __future__ import annotations

from flowmusic.train.plan import Plan

GIB = 2.0**30


def described(plan: Plan, device_flops: float, utilisation: float) -> str:
    """Parameters, memory of one device, arithmetic and time."""
    rows = [f"{plan.name}: {_spaced(plan.parameters)} parameters, {_spaced(plan.trainable)} of them trained"]
    rows += [f"  {name:<24} {_spaced(count):>14}" for name, count in plan.parts.items()]
    many = plan.devices > 1
    kinds = [("DDP" if many else "one device", False)] + ([("FSDP", True)] if many else [])
    columns = [
        (f"{label}{', checkpointing' if again else ''}", kind, again)
        for label, kind in kinds
        for again in (False, True)
    ]
    memory = [plan.memory(kind, bool(again)) for _, kind, again in columns]
    rows += ["", f"memory of each device in GiB, {plan.batch} windows of {plan.seconds:g} s, {plan.precision}"]
    rows += ["  " + " " * 18 + "".join(f"{label:>27}" for label, _, _ in columns)]
    for name in memory[0]:
        rows.append(f"  {name:<18}" + "".join(f"{part[name] / GIB:>27.2f}" for part in memory))
    rows.append("  " + f"{'sum':<18}" + "".join(f"{sum(part.values()) / GIB:>27.2f}" for part in memory))
    chosen = "with" if plan.checkpointing else "without"
    flops = plan.again_flops if plan.checkpointing else plan.flops
    windows = plan.batch * plan.accumulate * plan.devices
    hours = plan.hours(device_flops, utilisation)
    rows += [
        "",
        f"a step: {windows} windows, {windows * plan.seconds:g} s of audio, {flops:.3g} FLOP {chosen} checkpointing "
        f"({plan.flops:.3g} without, {plan.again_flops:.3g} with)",
        f"the run: {plan.steps} steps, {plan.steps * flops:.3g} FLOP; on {plan.devices} x {device_flops:.3g} FLOP/s at "
        f"{utilisation:.0%}: {hours:.3g} hours, {plan.steps / max(hours, 1e-9) / 3600:.3g} steps a second",
    ]
    return "\n".join(rows)


def _spaced(count: int) -> str:
    return f"{count:,}".replace(",", " ")
