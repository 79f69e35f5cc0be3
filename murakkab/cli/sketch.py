"""policy: a picture of a workflow or job for a terminal - rails at the left, then what each step does."""

from rich.table import Table
from rich.text import Text

from murakkab.cli.tables import STATUS_STYLES
from murakkab.drawing import Picture, rails

_KINDS = {"approve": "yellow", "wait": "yellow", "workflow": "cyan", "plain": "magenta", "finally": "dim"}
_BADGES = {"each": "blue", "repeat": "magenta", "when": "cyan", "need": "cyan", "effect": "red"}


def sketch(picture: Picture, *, width: int) -> Table:
    """Return the picture in lines of at most *width* columns, with the status of each step where they have one."""
    lines = rails(picture.frame, most=max(3, width // 12))
    has_status = any(line.box.status for line in lines)
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.add_column(no_wrap=True, overflow="crop", max_width=max(8, width // 3))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(12, width // 3))
    table.add_column(overflow="ellipsis", no_wrap=True, ratio=None)
    if has_status:
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        box = line.box
        style = STATUS_STYLES.get(box.status) or _KINDS.get(box.kind, "")
        name = Text(f"{'  ' * line.depth}{box.name}", f"bold {style}".strip())
        work = Text(" · ".join(part for part in (box.work, box.way) if part), "dim" if box.kind == "finally" else "")
        status = (Text(box.status, STATUS_STYLES.get(box.status, "")),) if has_status else ()
        remarks = Text(" · ").join(Text(badge.text, _BADGES.get(badge.kind, "dim")) for badge in box.badges)
        if box.folded:
            remarks.append(f"{' · ' if remarks else ''}{box.folded} steps inside", "dim")
        if line.takes:
            remarks.append(f"{' · ' if remarks else ''}after {', '.join(line.takes)}", "dim")
        table.add_row(Text(line.lead.rstrip(), style), name, work, *status, remarks)
    return table
