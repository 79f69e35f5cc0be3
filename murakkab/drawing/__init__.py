"""policy: pictures of workflows and jobs - a neutral model, and how it looks as Mermaid, DOT, SVG and in a terminal.

`workflow_picture` makes the model; `mermaid_text`, `dot_text`, `svg_text` and `rails` show it. `timeline` lays out when what ran,
`timeline_svg` draws it. Names are data from elsewhere: each form escapes them in its own way.
"""

from murakkab.drawing.dot import dot_text
from murakkab.drawing.mermaid import mermaid_text
from murakkab.drawing.picture import Picture
from murakkab.drawing.rails import Rail, rails
from murakkab.drawing.svg import svg_text
from murakkab.drawing.workflow import workflow_picture

__all__ = ["Picture", "Rail", "dot_text", "mermaid_text", "rails", "svg_text", "workflow_picture"]
