"""Models of architectures, byte for byte: a table of measurements knows a model by its content.

The literals are what `onnx` 1.23.2 and NumPy 2.4.6 wrote. Where another release writes other bytes,
compare with the models of an older hwprof under that release before changing any of them.
"""

import hashlib

import onnx
import pytest

from hwprof import spaces
from hwprof.profiler.node_cost import chain_model

MODELS = [
    (
        "fbnet",
        (
            "skip k5_e1_g2 k5_e3 skip k5_e1_g2 k5_e3 k5_e6 k3_e3 k3_e1 k3_e3 k3_e3 k5_e6 skip "
            "k3_e1 k5_e1 k5_e6 k3_e1_g2 k5_e6 k3_e1_g2 k5_e1 k5_e6 k3_e3"
        ),
        {},
        "e5f13d4f6bb1f60aa6f805cbbc2c5bf6acb553e42b83045baaff79285cf0485a",
        (137712512, 2119972, 12438800),
    ),
    (
        "fbnet",
        (
            "k3_e6 k3_e3 k5_e3 k3_e3 skip k5_e1 k5_e1 k5_e1 k5_e1_g2 k5_e1 k5_e1 skip k5_e6 "
            "k5_e6 k5_e3 k5_e1_g2 k3_e6 skip k5_e1 k3_e1_g2 k5_e6 k3_e1_g2"
        ),
        {},
        "749008939beb72790fbe5cdd33ef5345902440dbf360c880ae1089d43e7c962c",
        (131373312, 1747028, 14346512),
    ),
    (
        "fbnet",
        (
            "k5_e6 k5_e1_g2 k3_e1_g2 k3_e1 k5_e1 k3_e1 k3_e1_g2 k5_e1 skip k5_e1 k5_e6 skip "
            "k5_e6 k5_e1_g2 k3_e6 k5_e1 k3_e3 k5_e1 k3_e6 k3_e3 skip k3_e1"
        ),
        {"batch": 2, "resolution": 64},
        "bbb8b2a7785da3be65bf8440f3cce0657870263fe8dca1d36a3450a7a92b38f3",
        (121643520, 1871444, 12049680),
    ),
    (
        "gpt",
        ("embed=192 layers=11 heads=12,4,4,12,8,12,4,12,4,8,12 mlp=3,4,3,2,3,3,4,4,3,2,3 bias=on"),
        {},
        "82a6d7e3b68a02ff5df93350898325e09e778571b199b801572b84aa427894ff",
        (3685810176, 14000640, 92480000),
    ),
    (
        "gpt",
        (
            "embed=192 layers=12 heads=12,4,8,12,12,12,8,4,12,8,4,4 mlp=3,4,3,3,4,4,3,3,3,2,2,3 "
            "bias=off"
        ),
        {},
        "166aabbcb354216aafe3aacf8b6977a2bbd945e6eae5e1e8c5d9bb4a75042405",
        (3792150528, 14352960, 88842752),
    ),
    (
        "gpt",
        ("embed=384 layers=11 heads=8,8,8,8,12,12,12,12,8,8,12 mlp=2,4,2,4,3,2,2,3,2,2,3 bias=off"),
        {"batch": 2, "resolution": 16},
        "cd95b290cf0c51226c80c7346c0d4fa57a45840a369ddbdd3b73757027056621",
        (9094987776, 34750080, 120889856),
    ),
    (
        "mobilenetv3",
        (
            "r=220 d1=3 k1=7,7,5 e1=6,3,3 d2=2 k2=7,7 e2=6,3 d3=3 k3=7,3,5 e3=6,3,6 d4=3 "
            "k4=5,5,5 e4=6,6,6 d5=3 k5=5,7,5 e5=6,3,6"
        ),
        {},
        "70aacdb47b270b58fe359ac1e7731cc67d5f9442eabf405edfefc2be0433a05b",
        (628596912, 5452472, 69865152),
    ),
    (
        "mobilenetv3",
        (
            "r=136 d1=2 k1=5,3 e1=6,4 d2=4 k2=5,5,5,3 e2=4,4,3,6 d3=2 k3=3,3 e3=6,3 d4=3 "
            "k4=3,5,7 e4=3,4,3 d5=4 k5=3,5,7,7 e5=6,4,3,6"
        ),
        {},
        "aa09f239096a6632c17f8d3df1f6e92c86926d7f943716afa4c55b6704ef4675",
        (219890288, 5282352, 26228544),
    ),
    (
        "mobilenetv3",
        (
            "r=172 d1=2 k1=3,5 e1=4,6 d2=3 k2=5,3,3 e2=4,4,3 d3=2 k3=5,7 e3=4,6 d4=3 k4=5,5,5 "
            "e4=6,6,3 d5=3 k5=5,3,3 e5=6,3,4"
        ),
        {"batch": 2, "resolution": 64},
        "9697e996db66730a92de19c118f1ec13661fc0c48ee4c8fa419b3c2de4d0fdfb",
        (318461440, 4755984, 37309728),
    ),
    (
        "nasbench201",
        "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|",
        {},
        "1d3d4d4ca64bd659f5e0cfe195d17d1275a5a7e34a9d954d5a44fea6b621bdb7",
        (97248512, 344346, 7512360),
    ),
    (
        "nasbench201",
        (
            ""
            "|avg_pool_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
        ),
        {},
        "d8e195b5e31f7153b31c5b17ef39e4ee629be13a4f5f63f64e5288ccf637993e",
        (240669952, 830426, 10379560),
    ),
    (
        "nasbench201",
        ("|avg_pool_3x3~0|+|skip_connect~0|none~1|+|skip_connect~0|skip_connect~1|avg_pool_3x3~2|"),
        {"batch": 2, "resolution": 64},
        "97885006fa7298b6f5405839b9ee9fff5fe390b2be18813e7adc9c3021f23b88",
        (18892032, 73306, 4071720),
    ),
    (
        "resnet50",
        (
            "r=152 stem=short w=0.8,0.65,1,0.65,0.65,0.65 d1=4 e1=0.35,0.35,0.2,0.35 d2=3 "
            "e2=0.25,0.2,0.25 d3=5 e3=0.2,0.25,0.2,0.35,0.35 d4=3 e4=0.35,0.35,0.35"
        ),
        {},
        "de07a28881f478679665099a8fdce0fdfbbb470eb6ed0b0ba29335cbf67a143f",
        (2737416400, 15189584, 64241600),
    ),
    (
        "resnet50",
        (
            "r=220 stem=long w=1,1,0.8,1,1,0.65 d1=2 e1=0.2,0.2 d2=2 e2=0.25,0.35 d3=4 "
            "e3=0.25,0.35,0.2,0.25 d4=2 e4=0.35,0.25"
        ),
        {},
        "d7fc54ec816a62658cadf8a06a42888637dc4685cd48466a8f12831b85402692",
        (5528684448, 13901928, 104066592),
    ),
    (
        "resnet50",
        (
            "r=212 stem=long w=0.8,1,0.8,1,1,0.8 d1=2 e1=0.2,0.25 d2=4 e2=0.2,0.25,0.2,0.2 d3=5 "
            "e3=0.35,0.35,0.25,0.25,0.25 d4=3 e4=0.35,0.25,0.2"
        ),
        {"batch": 2, "resolution": 64},
        "dda337efd7afed317851acd245bedb19ab4aa21369d1f7ab60cad52fdfbd7b86",
        (6872016448, 21331024, 119152096),
    ),
    (
        "transformer",
        (
            "encoder=512 encoder-ffn=1024,2048,2048,3072,1024,1024 encoder-heads=4,4,4,4,8,8 "
            "decoder=640 decoder-layers=4 decoder-ffn=1024,3072,2048,3072 decoder-heads=8,4,8,4 "
            "cross-heads=8,8,4,4 cross-layers=2,1,1,3"
        ),
        {},
        "e092868000d6828e7df5955b2d1619632590cc9c3417a797963f85a1ee51fbed",
        (3702482400, 59589120, 32419200),
    ),
    (
        "transformer",
        (
            "encoder=640 encoder-ffn=2048,3072,3072,2048,3072,3072 encoder-heads=4,4,4,4,8,8 "
            "decoder=512 decoder-layers=3 decoder-ffn=3072,1024,3072 decoder-heads=4,4,4 "
            "cross-heads=4,4,8 cross-layers=3,3,3"
        ),
        {},
        "4eb00bceb7f91990b0d9e8d949e959edda60d2314cfe8e1eaba3fa294dfb1132",
        (3853519200, 63910912, 32915520),
    ),
    (
        "transformer",
        (
            "encoder=640 encoder-ffn=2048,1024,3072,1024,3072,2048 encoder-heads=4,4,4,4,4,8 "
            "decoder=640 decoder-layers=3 decoder-ffn=3072,3072,3072 decoder-heads=4,4,4 "
            "cross-heads=4,4,8 cross-layers=3,2,2"
        ),
        {"batch": 2, "resolution": 12},
        "2c16a8140aa831f44a9ad6178bed207b0c8144e7c13e8ff62522aa8a91a70268",
        (4046503200, 64305536, 31694400),
    ),
]
CHAINS = {
    ("Sin", 20): "a825a0fb35e540f52d8564c8764e03736049916b8990ce5a9b1bf7efbf820fea",
    ("Sin", 140): "7934aa28850b9fef6b21d2a9a5a18f2e6f1ac44f48aadd173fa64ad1653ad91e",
    ("MatMul", 20): "68a21105ab6d5a07ae9dbcafd9ad3619f135ee3725006b7c3756d297f5f17e16",
    ("MatMul", 140): "7a527088356d9a12b68b512a6ea1e3ae44c47f451c6bdd4c2e6315478d7edef7",
    ("Conv", 20): "f0d24f9ee8078d19790e6ea634752d78efd7914b1a9a9a19fce8be340856bc64",
    ("Conv", 140): "66438aad3b285c75fb5f59ed630eee963e6b26c7ba4bb3aa69e17b3d2733eaf0",
}


def digest(model):
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


@pytest.mark.parametrize(("name", "text", "sizes", "expected", "costs"), MODELS)
def test_a_model_is_what_it_was(name, text, sizes, expected, costs):
    space = spaces.get(name)
    found = space.costs(text)
    assert (found.flops, found.parameters, found.activation_bytes) == costs
    assert digest(space.build(text, **sizes)) == expected


@pytest.mark.parametrize(("kind", "length"), CHAINS)
def test_a_chain_is_what_it_was(kind, length, tmp_path):
    chain_model(kind, length, tmp_path)
    assert digest(onnx.load(tmp_path / f"{kind}-{length}.onnx")) == CHAINS[kind, length]
