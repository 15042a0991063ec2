"""Adapters by the program peft, for peft-files.mjs.

usage: peft_peer.py source write|read folder
source: the folder `src` of a checkout of https://github.com/huggingface/peft, in which a checkout's `src/accelerate` lies, too.
write: writes model.safetensors of a small network, an adapter of it by LoraConfig, and what the two make of some inputs; read:
loads adapter `own` of the same network, and writes what the two make of the inputs, and the weights with the adapter merged in.
Of transformers and huggingface_hub peft uses names alone where a network is plain torch: where they are missing, empty classes
stand in for them.
"""
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import types

source, form, folder = sys.argv[1:]
sys.dont_write_bytecode = True
sys.path.insert(0, source)
missing = [name for name in ("transformers", "huggingface_hub") if importlib.util.find_spec(name) is None]


class Names(types.ModuleType):
    __path__ = []
    __version__ = "4.57.0"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(self, name, type(name, (), {"__module__": self.__name__}))
        return self.__dict__[name]


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        known = name.split(".")[0] in missing
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec):
        return Names(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Finder())
import peft  # noqa: E402
import torch  # noqa: E402
import torch.distributed.tensor  # noqa: E402,F401  # as transformers does
from safetensors.torch import load_file, save_file  # noqa: E402


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(6, 8)
        self.inner = torch.nn.ModuleDict({"up": torch.nn.Linear(8, 8), "down": torch.nn.Linear(8, 5)})

    def forward(self, x):
        return self.inner["down"](torch.relu(self.inner["up"](torch.relu(self.up(x)))))


def at(name):
    return os.path.join(folder, name)


torch.manual_seed(1)
network = Network()
if form == "write":
    x = torch.randn(7, 6)
    save_file({"x": x, **network.state_dict()}, at("model.safetensors"))
    config = peft.LoraConfig(r=2, lora_alpha=6, use_rslora=True, target_modules=["up", "down"],
                             rank_pattern={"inner.up": 3}, alpha_pattern={"inner.up": 5})
    adapted = peft.get_peft_model(network, config)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    if missing:
        adapted.create_or_update_model_card = lambda *_: None  # a page of text by huggingface_hub
    adapted.save_pretrained(at("theirs"), safe_serialization=True)
    os.makedirs(at("results"))
else:
    x = load_file(at("model.safetensors"))["x"]
    network.load_state_dict({name: value for name, value in load_file(at("model.safetensors")).items() if name != "x"})
    adapted = peft.PeftModel.from_pretrained(network, at("own"))
with torch.no_grad():
    before = adapted(x)
    merged = adapted.merge_and_unload()
    save_file({"y": before.contiguous(), **{name: value.clone() for name, value in merged.state_dict().items()}},
              at(f"results/{form}.safetensors"))
print(json.dumps({"peft": peft.__version__, "torch": torch.__version__, "stand_ins": missing}))
