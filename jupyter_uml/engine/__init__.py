"""The engine: sequences in, tokens out. No HTTP, no pipes, no asyncio; `model.py` and `sampler.py` drive llama.cpp."""
