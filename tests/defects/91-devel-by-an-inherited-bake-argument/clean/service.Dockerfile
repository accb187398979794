ARG FLAVOUR=runtime
FROM nvidia/cuda:12.8.1-${FLAVOUR}-ubuntu24.04
