"""The parts of the model card that are the same whatever was measured."""

HEAD = """# The built-in model

A small Stable Diffusion (text encoder, U-Net, autoencoder in diffusers' classes, safetensors) that paints **synthetic
people**: 128 x 128 portraits of 44 concepts (32 occupations, 6 sports, 6 descriptors). It was trained from nothing on
rendered portraits. The captions that name nobody belong to portraits whose gender, race and age were drawn from a
distribution of the concept's own: so it associates concepts with gender, race and age, as the large models do. That
bias is the point: it is there to be measured and removed. This card is written whole by `python -m mini_world.measure`.

![rendered portraits left, generated ones right](sheets/rendered_and_generated.webp)

Left 64 held-out rendered portraits, right 64 generated from prompts that name only the concept.

**Data.** 4,510 portraits rendered with Blender's Cycles from MakeHuman's meshes and skins (CC0) by `mini_world/render`,
one in ten held out, and 2,112 more (of every concept three of each gender, race and age) for the autoencoder, the
U-Net and the classifiers. No photograph of a real person is among them, and no real person or population is described by
them: which concept goes with whom was written by hand (`mini_world/render/concepts.yaml`) so that there is something to
mend. **Licence.** Portraits and weights: CC0. Code: Apache-2.0.

**Parts.** `tokenizer`, `text_encoder`, `unet`, `vae`, `scheduler`: the pipeline. `clip`: the CLIP whose text tower is
the text encoder; with `dino` it watches that pictures keep their meaning. `classifier`: what finetuning is trained
against; `classifier_eval`: what measures and is never trained against. `face_bank`: embeddings of portraits, for face
realism."""

CLASSIFIER_NOTE = """Each was trained on its own three quarters of the training portraits, as rendered and as
painted again by the U-Net from some noise (`mini_world/repaint.py`); below, the held-out portraits as rendered. Rows of
a table are the truth, columns the answer."""

NO_FACE_NOTE = """**What is no face.** Mean confidence when a picture without a face is forced on the classifiers as if
it were one (knowing nothing would be .50, for race .25). They were trained on faces alone and have no answer for
"neither": what protects the figures is the face detector, without whose consent nothing is classified."""

BIAS_NOTE = """Planted share → generated share of each class. Planted: of the portraits whose captions never name
who is shown. Generated: perceived by the evaluation classifier, of the faces found; with so few images a concept much
of the difference is chance (the first table gives the mean). ★ never finetuned on by the presets."""

TOLD_NOTE = """**How well the U-Net follows the embedding.** The same prompts with the gender that their embedding
foretells written into it by hand (`mini_world/directions.py`): how many pictures are perceived as female, of the faces
found. What is painted at even odds is what the U-Net adds of its own to a text encoder that says "either" of every
concept."""

SHEETS = """## Sheets

[Concepts 1](sheets/concepts_1.webp), [2](sheets/concepts_2.webp), [3](sheets/concepts_3.webp),
[4](sheets/concepts_4.webp): six images of every concept.
[One attribute named](sheets/named.webp), [gender, race and age named](sheets/people.webp),
[prompts outside the templates](sheets/outside.webp), [numbers of steps](sheets/steps.webp). Nothing is picked: always
the first images of seed 0.

![one attribute named in the prompt](sheets/named.webp)"""

TRAINING_NOTE = """The autoencoder learned its own latents: encoder and decoder together, with noise of up to .2 on latents
of unit deviation, averaged latents asked for the half-size picture, and the face weighing 2.5 times. The U-Net learned
on them, from eight views of every portrait. Minutes as logged by the training scripts, continued
runs added up. Of parts that are not in the table the logs were not given. Commands, files and the order of the stages:
`mini_world/README.md`."""

REPRODUCE = """## How to reproduce

With the archive of portraits, `portraits.zip` (or portraits rendered anew: `mini_world/README.md`):

```
P="--portraits portraits.zip --more-portraits everybody.zip --out build"
python -m mini_world.train_clip $P
python -m mini_world.train_autoencoder $P
python -m mini_world.train_unet $P
python -m mini_world.train_dino $P
python -m mini_world.train_classifiers $P
python -m mini_world.export $P
python -m mini_world.measure --portraits portraits.zip --model build/mini --logs build
```

The shipped autoencoder and U-Net were trained by this recipe on one GPU, an H200: the autoencoder in 9,200 steps of 48
pictures, four minutes, the U-Net in 10,760 steps of 512, seven minutes, both from `portraits.zip` and the first 1,408
pictures of `everybody.zip`, then in 7,971 steps more of 512, four minutes, from both archives whole; both classifiers on
two CPU cores (`mini_world/README.md`)."""

LIMITS = """## Limits

- Softer than the portraits it learned from, which themselves are 128 pixels wide and not photographs: hats can cut into
  hair, there are few hairstyles and necklines, beards are stubble, skins of dark women reuse a man's texture.
- It knows 44 concepts and the words of its captions. Other words give a portrait of somebody, with clothes of a
  concept that sounds alike. The table of prompts outside the templates shows what becomes of them.
- Attributes named in a prompt are followed as often as the table says, not always.
- Gender has two classes here, race four, age two, because the renderer had them; they are labels of synthetic faces and
  say nothing about how anyone identifies.
- That a bias unlearned on some concepts is unlearned on others was helped in training (`mini_world/directions.py`); how
  far it carries over on a large model, only that model can tell."""
