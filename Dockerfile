# Handful in a container: no compiler, no root, data and key in volumes.
#
#   docker build -t handful .
#   docker run -p 127.0.0.1:8501:8501 -v handful-data:/data -v handful-key:/key \
#       -e HANDFUL_PASSWORD_HASH='...' handful                     (docs/operations.md says how to make the hash)
#
# It computes on the CPU unless a GPU is handed to it. TORCH_INDEX is the address of an index that has the build of
# torch you want: PyTorch's installation page names one for CPU alone (an image of about 2.5 GB) and one for each CUDA
# version. Empty: pip's own index, whose build for Linux brings CUDA's libraries along (5.8 GB).
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS installed
ARG TORCH_INDEX=
COPY requirements.txt /tmp/requirements.txt
RUN python3 -m venv /opt/handful/venv \
    && if [ -n "$TORCH_INDEX" ]; then \
        /opt/handful/venv/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" \
            "$(grep '^torch==' /tmp/requirements.txt)"; fi \
    && /opt/handful/venv/bin/pip install --no-cache-dir -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

FROM ${BASE}
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin handful \
    && install -d -o handful -g handful -m 700 /data /key
COPY --from=installed /opt/handful/venv /opt/handful/venv
COPY LICENSE /opt/handful/app/
COPY .streamlit /opt/handful/app/.streamlit
COPY engine /opt/handful/app/engine
COPY dashboard /opt/handful/app/dashboard
COPY assets /opt/handful/app/assets
WORKDIR /opt/handful/app
ENV PATH=/opt/handful/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HANDFUL_DATA_DIR=/data HANDFUL_KEY_FILE=/key/key HANDFUL_ADDRESS=0.0.0.0 HANDFUL_PORT=8501
USER handful
VOLUME ["/data", "/key"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python3", "-c", \
    "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['HANDFUL_PORT'] + '/_stcore/health', timeout=4)"]
CMD ["python3", "-m", "engine", "serve"]
