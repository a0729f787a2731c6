"""The network, bottom up: layers, mix_transformer, change, decoder, cadnet."""
