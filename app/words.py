"""Words on the screen: titles, tooltips, the About page. Those with markup of their own say so; all others are escaped."""

from markupsafe import Markup

TITLE = "Fair portraits: finetune a text-to-image model toward a target you choose"

INTRO = """
# Fair portraits
Ask a model for any occupation and see who it paints. Choose who *should* be seen, press Start, watch it learn.
"""

STEPS = {"step-1": "1 Target", "step-2": "2 Prompts", "step-3": "3 Length", "results": "Before and after"}
LOADING = "Loading…"
BUILT_IN = "mini"
SYNTHETIC = "The built-in model paints synthetic people, not photographs."

MODEL = "The model to finetune. The built-in one paints synthetic people, not photographs, and needs no network."
OWN_MODEL = " Or type the folder or hub id (owner/name) of any Stable Diffusion in diffusers' format."
PRESET_DETAILS = "Each figure; assets/labour_statistics.yaml takes rows and sources of your own"
JOINT = "Beyond each attribute alone: for example as many Black women as Black men. The table then counts, not the sliders."
JOINT_PAIR = "The third attribute keeps its sliders, independent of these two."
SETTINGS_NOTE = "Settings as a file that this page and the command line read, or as a link that opens this page with them."
CONCEPTS = "Each step of the finetune draws some of these; where there are few, each gets more images."

ADVANCED = {
    "steps": "Updates of the adapter.",
    "images_per_prompt": "Images of a prompt that are judged together. More: a steadier direction, slower steps.",
    "learning_rate": "Size of an update (AdamW). Too large and faces fall apart.",
    "lora_rank": "Size of the adapter (LoRA).",
    "sampling_steps": "Denoising steps of an image while it trains: fewer are faster.",
    "guidance_scale": "How strongly an image follows its prompt (classifier-free guidance). 1: none, which is faster.",
    "training_guidance_scale": "Of the images trained on: 0, as those you see; 1, none, which is faster.",
    "semantics": "Weight of keeping the picture as it was (image-semantics loss).",
    "face": "Weight of keeping faces real (face-realism loss).",
    "confidence": "An image is moved only when its target class is at least this certain beyond what the target itself says, 0 to 1.",
    "seed": "The same seed and settings give the same run.",
}
TUNE = ("The text encoder learns most in few steps; the denoiser is what paints (a U-Net; in Stable Diffusion 3 and FLUX a transformer); soft "
        "tokens are five learned words and leave every weight as it is.")
EXPERIMENT = "Target, prompts and settings that belong together, filled in at once; change what you like, then press Start."
COMPARE_IMAGES = "Images per prompt and model in the comparison. Twice as many narrow the intervals by a third."
COMPARE_TRAINED = "How many of the chosen prompts are compared: first those you typed, which are compared even where they are more."
COMPARE_HELD_OUT = "How many prompts that were not trained on are compared: what carries over."

SHARED = "The prompt chosen above as a picture: its first pairs, the figure with its interval, the target, and where it is from."
HEADLINES = ("Perceived shares from before to after, with 95 % intervals in brackets. Open a line for every class and the "
             "number of faces; ★ was not finetuned on.")
PAIRS = "Left: original. Right: debiased, same noise. Press a pair to enlarge it."
SHOWN_PROMPT = "★ marks a prompt that was not finetuned on."
SHOWN_BARS = "Bars beside each picture: how sure the classifier is of each class. Letters are the first of each class."
PLOT_CLASS = "Whose share is plotted, prompt by prompt."
SORT = "Order of the prompts, from top to bottom."
CURVES = Markup("""A dot is one step, the line their running mean. <b>Alignment</b>: how far the faces are from the classes that the
target asks for. <b>Semantics</b>: how much else in the picture changed. <b>Face</b>: how unreal faces became. <b>Total</b>:
their weighted sum, which training lowers. <b>Distance</b>: the share of a step's faces that would have to change class (0:
target reached).""")
FILM_STEP = "The same noises after fewer steps; at the end it follows the run as it goes on."
KEEP = "A copy of the averaged adapter as it is now, which later steps do not change."
STRENGTH = "How much of the adapter is applied: 0 is the original model, 1 the trained one, up to 1.5."

CORRECT = ("A classifier errs. Say what you see in the picture chosen above: every figure on this page and in the "
           "downloads is computed anew, and your correction is kept with the comparison.")
OTHER_PROMPTS = "Concepts, or any words of your own (press Enter after each). They join the prompts above, with as many images."
SIDE_BY_SIDE = """
## Runs side by side
How near does each run come to its target, and how much of the original picture does it keep? One curve a run, along the
strength of its adapter where other strengths were painted; hollow is the original, a cross is what words in the prompt do.
"""
SIDE_RUNS = "Up to six, recorded ones too. The id of a run that someone shared can be typed (press Enter)."
SIDE_ATTRIBUTE = "Runs that do not control it are left out of the plot."
SIDE_LIKENESS = "To the original model's picture of the same noise."
WAYS = ("Beside the finetune, what you could do without one: words such as “female” or “old Black” before the person in the "
        "prompt, drawn for each picture in the target's ratio.")
OUTCOMES = ("Shares of each class before (hollow) and after (filled), with the target dotted. Faces of which the classifier "
            "is unsure stand apart and count in their likeliest class too; pictures without a face count in none.")
JOINT_PLOT = "How often two attributes are perceived together; the target is shown when both are controlled."

MUST_NOT_MOVE = """
## What must not move
A fair model still paints what is asked for. These prompts name who is to be seen, or show no person at all: the finetune
should leave them alone. Each is painted before and after from the same noises. **Agree** is the share of faces in which
the classifier perceives everything the prompt says (in a scene: pictures without a face), with its 95 % interval.
**Lost** and **won** count pictures that agreed only before, or only after; *p* is how often chance alone would split them
so unevenly (exact McNemar test). **CLIP-I** is how alike the pictures are (1: the same).
"""
EMPTY_MOVED = Markup("""<strong>Not painted yet.</strong><br>Press the button: the panel is painted by the run
that the Balance page shows, 16 images a prompt and model.""")

RECORDED_MOVED = ("Recorded with this run, made by this code. Start a run of your own on the Balance page, then press the button "
                  "for its own panel.")

CLASSROOM = """
## Guess before you look
The teacher opens a class, asks about pictures that the Balance page compares, closes the guessing and reveals the
answer: the class's guesses appear beside what the model paints. Students join by the teacher's link, or by the name of the
class. Only the numbers are kept, in the server's memory, and no names.
"""
CLASS_NAME = "Up to 24 small letters, digits and hyphens."
CLASS_ASK = Markup("Choose pictures and press <em>Ask this</em>: guessing opens for everyone in the class.")
CLASS_PROMPT = "Of the prompts that the Balance page compares."
CLASS_ASKED = "As perceived by the classifier, which errs."

LAB = """
## Gradient lab
Why does finetuning through the sampler need an adjusted gradient? Here the model learns to paint one fixed picture, with
three gradients on the same noises. **Naive**: through every step, each multiplied by all later ones. **Unscaled**: each
step on its own, weighted as the scheduler weights it. **Adjusted**: each step on its own, all weighted alike. The first
figure shows what each of them learns, the second how large a share every step of the sampler has in the gradient.
"""
RECORDED_LAB = "Press Measure for a measurement of your own."
LAB_PROMPT = "What the model paints while it learns."
LAB_TARGET = "The one picture it should come to resemble."
EMPTY_LAB = Markup("""<strong>Nothing measured yet.</strong><br>Press <em>Measure</em>: both figures grow while
the model works. It needs some minutes, and waits its turn like every run.""")

TABLE_NOTE = """
**Distance**: how far from the target (half the L1 distance; 0: reached), with the 95 % interval that decides the verdict
above. **Bias**: how unequal the classes are (0: all as frequent; 1: only one is seen), with a 95 % bootstrap interval over
prompts; it is told where the target is parity, for elsewhere it may grow while the target comes nearer. Both are of the
faces found. **Floor**: what a perfectly fair model would score with so few images, by chance alone. **CLIP-T**: how well pictures match their prompt. **CLIP-I**, **DINO**: how
alike the original and the debiased picture are (1: the same).
"""

EMPTY_COMPARE = Markup("""<strong>Nothing to compare yet.</strong><br>
Press <em>Start</em>: pictures of the original and of the finetuned model appear here side by side,
with what a classifier perceives in each.""")
EMPTY_LIVE = Markup("""<strong>Your run is learning.</strong><br>When it is done, its pictures are painted anew and appear here,
with every figure.""")
BRING = ("Made by this app, by diffusers or by textual inversion, for the model and prompts chosen on the Balance page: it is "
         "compared with the original at once. Other kinds of files are refused.")
HUB = ("A model repository of your own with adapter, settings, figures, report and model card, as in the archive. Read the card "
       "before others do.")
HUB_NAME = "Your name on the hub, a slash, a name for the repository; made when it is not there."
HUB_TOKEN = "One with write access. It is used once, for this upload, and neither stored nor logged."
LOOK_AT = "Settings, curves, pictures and downloads of one run."
DELETE = "Its adapter, pictures and figures are removed for good."
EMPTY_RUNS = Markup("""<strong>No runs yet.</strong><br>Press <em>Start</em> on the Balance page: each run is kept,
and listed here to be opened again.""")

ABOUT = """
## What this does
A text-to-image model paints some people far more often than others. This page treats fairness as matching a
distribution: over many images of one prompt, the **perceived** attributes should follow the target that you choose,
while the rest of the picture stays as it was. A small adapter (LoRA) on the text encoder is trained by
back-propagating through the images it paints. Each step paints a batch, finds the faces, classifies them, decides by
optimal transport which face should move to which class with the least change, and follows the adjusted gradient.

The method is by Shen, Du, Pang, Lin, Wong and Kankanhalli, *Finetuning Text-to-Image Diffusion Models for Fairness*,
ICLR 2024 ([arXiv 2311.07604](https://arxiv.org/abs/2311.07604)). This is an independent implementation.

## What to keep in mind
- **Attributes are perceived.** A classifier guesses from a face; it knows nothing of who someone is. Two genders, four
  races and two ages are a coarse measuring tool, not a description of people.
- WMELH stands for White, Middle Eastern, Latino or Hispanic.
- **The built-in model paints synthetic people.** It was trained on rendered portraits; its biases were planted so that
  they can be studied. What holds for it need not hold for other models.
- **Small numbers mislead.** With 16 images a fair model looks biased by chance: intervals and floors are shown for this.
- A balanced picture is a choice, not a fact about the world: say who chose the target, and why.

## Words on this page
- **Prompt**: the words a picture is painted from. **Concept**: who they ask for, as “nurse”. **Held out**, ★: a prompt that
  was not finetuned on; it shows whether a change carries over.
- **Noise**: what a picture is painted from, made from the seed and the picture's number; same noise, same composition.
- **Step**: one update of the adapter. **Sampling step**: one of the few strokes in which noise becomes a picture.
- **Kept prompts**: each step also paints a prompt that says who is to be seen (“a male florist”), and holds it to what the
  original model paints: a fair model still does as it is told. They are listed with a run's settings.
- **Adapter** (LoRA): the small file that a finetune makes; the model itself stays as it is. **Strength**: how much of it counts.
- **95 % interval**: the shares that would not be surprising given what was counted. **Floor**: what chance alone makes of a
  perfectly fair model with so few pictures.
- **Bias**: how unequal the classes are, 0 to 1. **Distance**: the share of pictures that would have to change class to meet
  the target. A target counts as **reached** when the whole interval of the distance is below 10 %.
- **CLIP-T, CLIP-I, DINO**: likeness by two image models, of a picture with its prompt (T) or with its original (I, DINO).

## To cite
Cite the method:
```
@inproceedings{shen2024finetuning,
  title={Finetuning Text-to-Image Diffusion Models for Fairness},
  author={Shen, Xudong and Du, Chao and Pang, Tianyu and Lin, Min and Wong, Yongkang and Kankanhalli, Mohan},
  booktitle={International Conference on Learning Representations},
  year={2024}
}
```
"""
