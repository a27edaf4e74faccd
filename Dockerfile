FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 ttt
WORKDIR /home/ttt/app
# --build-arg TORCH_INDEX=<index of CPU builds> keeps several GB of CUDA packages out.
ARG TORCH_INDEX=
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY conf conf
COPY ttt ttt
# hadolint ignore=DL3013
RUN pip install --no-cache-dir -c constraints.txt -e . \
    && install -d -o ttt mlruns
USER 1000
VOLUME /home/ttt/app/mlruns
ENTRYPOINT ["python", "-m"]
CMD ["ttt.run", "--help"]
