"""data: what the Murakkab paper publishes of its two workflows, models and machines, and the configurations that it chose.

The paper: Chaudhry et al., "Murakkab: Resource-Efficient Agentic Workflow Orchestration in Cloud Platforms" (arXiv 2508.18298, OSDI 2026).
Nobody here has measured any of it. Tables and printed labels are second-hand, cited by what others transcribed. Curves, bars and tokens
of requests are not here: `paper_curves.py` reads them from where they are published. What is in no figure of the paper is derived or
assumed, and says so.
"""

from dataclasses import dataclass
from typing import Final

VIDEO: Final = "video-qa"
CODE: Final = "code-generation"
TIERS: Final = ("best", "good", "fair", "basic")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of Table 5 or 6: what was chosen most often. `first`, `second`: frames and 1 (speech), or debaters and rounds."""

    workflow: str
    slo: str
    objective: str
    tier: str
    model: str
    first: int
    second: int
    gpu: str
    gpus: int
    tpot: float
    tps: int


#: Tables 5 and 6 of OSDI [second-hand]: SLO, objective, tiers, model, knobs, GPU, tensor parallelism, (s per token, tokens/s) by tier.
_TABLE: Final[tuple[tuple[str, str, str, str, str, int, int, str, int, tuple[tuple[float, int], ...]], ...]] = (
    (VIDEO, "accuracy", "cost", "best", "Gemma-3-27B", 10, 1, "A100", 4, ((0.0624, 699),)),
    (VIDEO, "accuracy", "cost", "good", "Gemma-3-27B", 5, 1, "A100", 4, ((0.0624, 700),)),
    (VIDEO, "accuracy", "cost", "fair", "NVLM-D-72B", 5, 1, "A100", 4, ((0.0966, 325),)),
    (VIDEO, "accuracy", "cost", "basic", "Llava-OneVision-7B", 5, 1, "A100", 4, ((0.0224, 2244),)),
    (VIDEO, "accuracy", "energy", "best", "Gemma-3-27B", 10, 1, "H100", 4, ((0.0484, 1688),)),
    (VIDEO, "accuracy", "energy", "good", "Gemma-3-27B", 5, 1, "H100", 4, ((0.0472, 1668),)),
    (VIDEO, "accuracy", "energy", "fair", "NVLM-D-72B", 5, 1, "H100", 4, ((0.065, 766),)),
    (VIDEO, "accuracy", "energy", "basic", "Llava-OneVision-7B", 5, 1, "H100", 4, ((0.0079, 3271),)),
    (VIDEO, "latency", "cost", "best", "Llava-OneVision-7B", 1, 1, "H100", 4, ((0.0044, 479),)),
    (VIDEO, "latency", "cost", "good fair basic", "Llava-OneVision-7B", 1, 1, "A100", 4, ((0.0085, 926), (0.0224, 2244), (0.0224, 2244))),
    (
        VIDEO,
        "latency",
        "energy",
        "best good fair basic",
        "Llava-OneVision-7B",
        1,
        1,
        "H100",
        4,
        ((0.0044, 479), (0.007, 2836), (0.007, 2836), (0.007, 2836)),
    ),
    (CODE, "accuracy", "cost", "best", "DeepSeek-Qwen-32B", 4, 4, "A100", 4, ((0.0767, 653),)),
    (CODE, "accuracy", "cost", "good", "Gemma-3-27B", 4, 4, "A100", 4, ((0.0624, 700),)),
    (CODE, "accuracy", "cost", "fair", "Gemma-3-27B", 2, 4, "A100", 4, ((0.0624, 700),)),
    (CODE, "accuracy", "cost", "basic", "Phi-4", 2, 4, "A100", 2, ((0.0609, 623),)),
    (CODE, "accuracy", "energy", "best", "DeepSeek-Qwen-32B", 4, 4, "H100", 4, ((0.0387, 1390),)),
    (CODE, "accuracy", "energy", "good", "Gemma-3-27B", 4, 4, "H100", 4, ((0.0496, 1709),)),
    (CODE, "accuracy", "energy", "fair", "Gemma-3-27B", 2, 4, "H100", 4, ((0.0487, 1693),)),
    (CODE, "accuracy", "energy", "basic", "Phi-4", 2, 4, "H100", 1, ((0.0373, 757),)),
    (CODE, "latency", "cost", "best", "NVLM-D-72B", 2, 2, "H100", 8, ((0.0129, 84),)),
    (CODE, "latency", "cost", "good fair", "Phi-4", 2, 2, "H100", 2, ((0.0169, 1036), (0.0218, 1185))),
    (CODE, "latency", "cost", "basic", "Phi-4", 2, 2, "A100", 2, ((0.0609, 623),)),
    (CODE, "latency", "energy", "best", "NVLM-D-72B", 2, 2, "H100", 8, ((0.0129, 84),)),
    (CODE, "latency", "energy", "good fair basic", "Phi-4", 2, 2, "H100", 1, ((0.0165, 248), (0.0253, 552), (0.0372, 755))),
)


def rows() -> list[Row]:
    """Return the 32 rows, by workflow, SLO, objective and tier."""
    found = []
    for workflow, slo, objective, tiers, model, first, second, gpu, gpus, points in _TABLE:
        for tier, (tpot, tps) in zip(tiers.split(), points, strict=True):
            found.append(Row(workflow, slo, objective, tier, model, first, second, gpu, gpus, tpot, tps))
    return found


#: Labels of Figures 7 and 8 [second-hand, typeset]: at least so much of the answers right; at most so many seconds.
LIMITS: Final = {
    (VIDEO, "accuracy"): (0.662, 0.644, 0.614, 0.549),
    (VIDEO, "latency"): (0.5, 0.9, 3.0, 5.8),
    (CODE, "accuracy"): (0.914, 0.889, 0.871, 0.755),
    (CODE, "latency"): (11.3, 25.5, 35.3, 78.2),
}
#: What requests with a latency limit are promised [second-hand, prose: "e.g." for video]. For code nothing else fits the rows of Table 6.
FLOOR: Final = 0.50

#: An accuracy of video questions that the text states [second-hand]: it counts, not what a figure shows, and is not uncertain.
STATED: Final = {(VIDEO, "Gemma-3-27B", (10, 1)): 66.2}
#: No tokens of this model on code are published.
UNTOLD: Final = "NVLM-D-72B"
#: Where Figure 3 shows no time to the first token at a load, which lies above its panel then [assumed].
CLIPPED_SECONDS: Final = 2.0

#: Table 3 [second-hand]: GPUs, MWh and thousands of USD in 24 h with one type alone. From it [derived, as if all ran all day, +-20 %]:
#: watts per GPU with its share of the machine, and how much dearer an H100 is.
ALONE: Final = {"A100": (1292, 24.7, 55.7), "H100": (495, 11.0, 75.4)}
#: Table 2 [derived]: 211,700 USD for 2,568 A100 in 24 h. No price is printed; of the choice only the ratio decides.
USD_PER_A100_HOUR: Final = 211_700 / 2568 / 24
SHARE_BAND: Final = 0.20


def watts_by_share(gpu: str) -> float:
    """Return the watts of a GPU with its share of the machine, by Table 3."""
    count, mwh, _ = ALONE[gpu]
    return mwh * 1e6 / 24 / count


def usd_per_hour(gpu: str) -> float:
    """Return the rent of a GPU: that of an A100 by Table 2, that of the other by the ratio in Table 3."""
    (count, _, usd), (base, _, of_base) = ALONE[gpu], ALONE["A100"]
    return USD_PER_A100_HOUR * (usd / count) / (of_base / base)
