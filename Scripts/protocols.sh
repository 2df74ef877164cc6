#!/bin/bash
# Makes the Swift of the protocol buffers anew, with the generator that belongs to the fetched SwiftProtobuf.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=Sources/Restormer/ProtocolBuffers
built=.build/protoc-gen-swift

swift package resolve
swift build --package-path .build/checkouts/swift-protobuf --scratch-path "$built" --product protoc-gen-swift
protoc --plugin="$built/debug/protoc-gen-swift" --swift_opt=Visibility=Package --proto_path="$folder" \
  --swift_out="$folder" "$folder"/*.proto
