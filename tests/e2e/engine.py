"""A real inference engine with a tiny model of random weights: llama.cpp's own HTTP server.

    engine.py write MODEL.gguf         writes the model (5 MB, the same bytes each time)
    engine.py serve MODEL.gguf PORT    serves it until it is killed

What the model says is gibberish, but always the same at temperature 0, which is all that a gateway
can be tested with.
"""

import pathlib
import sys
import time

VOCABULARY, WIDTH, LAYERS, HEADS, FORWARD, CONTEXT = 512, 256, 4, 4, 512, 4096


def write(path):
    import gguf
    import numpy

    random = numpy.random.default_rng(20261124)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("unbusy-tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(VOCABULARY)

    # A vocabulary that can spell every text: three specials, the 256 bytes, printable ASCII, and
    # two-letter pieces up to the size.
    tokens = [b"<unk>", b"<s>", b"</s>"] + [f"<0x{byte:02X}>".encode() for byte in range(256)]
    types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    types += [gguf.TokenType.BYTE] * 256
    letters = [chr(code) for code in range(33, 127)] + ["\u2581"]
    pieces = letters + [a + b for a in "\u2581etaoins" for b in "etaoinshrdlucmfwypvbgk"]
    for piece in pieces[:VOCABULARY - len(tokens)]:
        tokens.append(piece.encode())
        types.append(gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(i) for i in range(VOCABULARY - 259)])
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    def matrix(name, rows, columns, scale):
        values = random.standard_normal((rows, columns), dtype=numpy.float32) * scale
        writer.add_tensor(name, values.astype(numpy.float16))

    def norm(name):
        writer.add_tensor(name, numpy.ones(WIDTH, dtype=numpy.float32))

    matrix("token_embd.weight", VOCABULARY, WIDTH, 1.0)
    norm("output_norm.weight")
    matrix("output.weight", VOCABULARY, WIDTH, 0.2)
    for layer in range(LAYERS):
        norm(f"blk.{layer}.attn_norm.weight")
        norm(f"blk.{layer}.ffn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{part}.weight", WIDTH, WIDTH, WIDTH ** -0.5)
        matrix(f"blk.{layer}.ffn_gate.weight", FORWARD, WIDTH, WIDTH ** -0.5)
        matrix(f"blk.{layer}.ffn_up.weight", FORWARD, WIDTH, WIDTH ** -0.5)
        matrix(f"blk.{layer}.ffn_down.weight", WIDTH, FORWARD, FORWARD ** -0.5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(path, port):
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = path
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = CONTEXT
    params.n_parallel = 2
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.ui = False
    params.cache_ram_mib = 64
    params.offline = True
    params.endpoint_metrics = True
    server = Server(params)  # kept: it serves for as long as it lives
    while server:
        time.sleep(60)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(pathlib.Path(sys.argv[2]))
    else:
        serve(sys.argv[2], int(sys.argv[3]))
