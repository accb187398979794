ARG FLAVOUR=runtime
# defect: devel-image-shipped
FROM nvidia/cuda:12.8.1-${FLAVOUR}-ubuntu24.04
