"""From pairs of texts to a calibrated vector in a file. `make_vector.py MODEL PAIRS.jsonl OUT.safetensors`"""

from __future__ import annotations

import sys

import steer


def main(model_path: str, pairs_path: str, out: str) -> None:
    model = steer.Model.from_pretrained(model_path)
    pairs = steer.read_pairs(pairs_path)
    vector = steer.Vector.extract(model, pairs, name="persona").calibrate(model, pairs)
    vector.save(out)
    print(vector)
    for layer, row in vector.to_layers().items():
        told = vector.layer(layer)
        print(f"layer {layer:3d}: {row.shape[0]} numbers, norm {told.norm:.2f}, held out AUC {told.auc:.3f}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
