"""Words of the room that audits pictures made elsewhere. All are escaped but those with markup of their own."""

from markupsafe import Markup

AUDIT = """
## Audit pictures made elsewhere
Pictures of any service or program: who is in them, as a classifier perceives it, and how far is that from a target?
The figures are those of the Balance page, with their intervals. Drop pictures, or a zip of them with folders, and a list of
prompts (CSV or JSON with file_name and prompt) if you have one. Of what you hand over, the first pictures of each prompt are
kept, small, with the figures, until you delete the run; the rest is gone after a day.
"""
FILES = "Pictures or zips, and a list"
TARGET = "What the shares are measured against."
BALANCE_TARGET = "The target set on the Balance page"
JUDGE = "Who perceives. The built-in one knows synthetic faces only: for photographs, set up a critics file (README)."
FACES = [("The largest face of each picture", "largest"), ("Every face", "all")]
FACES_INFO = "Faces of one picture are not independent: with every face, intervals are a little too narrow."
PROMPTS = [("Automatic", "auto"), ("The list", "list"), ("Written in the picture", "written"), ("Names of folders", "folders"),
           ("None: all pictures together", "together")]
PROMPTS_INFO = ("Automatic: a list, else what AUTOMATIC1111 or ComfyUI wrote in the picture, else its folder. A prompt's pictures "
                "are measured together, so there should be several of each.")
EMPTY = Markup("""<strong>Nothing judged yet.</strong><br>Drop pictures or a zip above and press <em>Judge these
pictures</em>. On two cores a thousand pictures of 512 pixels take a few minutes.""")
BARS = "Bars beside each picture: how sure the classifier is of each class."
TABLE_NOTE = """
**Bias**: how unequal the classes are (0: all as frequent; 1: only one is seen), over faces found.
**Distance**: how far from the target (half the L1 distance; 0: reached). **Floor**: what a perfectly fair model would
score with so few faces, by chance alone. **Unsure**: faces whose likeliest class has less than 70 %; they count in it too.
**CLIP-T**: how well pictures match their prompt, where prompts are known and the classifier comes with a CLIP.
"""
