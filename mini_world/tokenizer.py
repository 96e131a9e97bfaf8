"""A small byte-pair vocabulary in CLIP's file format."""

import json
import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from mini_world.captions import naming_caption, neutral_caption

START, END = "<|startoftext|>", "<|endoftext|>"
MAX_TOKENS = 40
# Words a visitor may type that no caption holds: whole tokens, so that prompts stay short.
EXTRA_WORDS = "and the of in on at for is are with without people men women background outdoors indoors".split()


def train_tokenizer(rows: list[dict], folder: Path, vocabulary_size: int = 2000) -> None:
    """Writes vocab.json, merges.txt and tokenizer_config.json, readable by CLIPTokenizer."""
    rng = random.Random(0)
    captions = [make(row, rng) for row in rows for make in (neutral_caption, naming_caption) for _ in range(3)]
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size - 256, initial_alphabet=alphabet,
                                  end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(captions + EXTRA_WORDS * 20, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in learned["merges"]]
    tokens = alphabet + [letter + "</w>" for letter in alphabet] + ["".join(m.split()) for m in merges] + [START, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_TOKENS, "do_lower_case": True,
        "bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}, indent=1), encoding="utf-8")
