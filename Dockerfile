# lakefold and the libraries it names, and nothing else: no shell, no package manager, no certificates to keep fresh.
# tests/it/aws/bare_root.rs shows that it runs in such a root.
#
#   docker build -t lakefold .
#   docker run --rm -v "$PWD/env:/work/env:ro" -v "$PWD/collections.csv:/work/collections.csv:ro" \
#     -e MONGODB_URI lakefold run --env prod
#
# The same image serves as an AWS Lambda function (docs/aws.md).
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY tools/bare-root tools/bare-root
RUN cargo build --locked --release && tools/bare-root target/release/lakefold /root-of-image

FROM scratch
COPY --from=build /root-of-image /
# Nobody, by number: there is no /etc/passwd. /tmp and /work are the only folders of the root; spilling goes to /tmp.
USER 65534:65534
WORKDIR /work
ENTRYPOINT ["/lakefold"]
