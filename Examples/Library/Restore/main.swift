// Restores a page with the model that is part of the library: restore-example page.jpg restored.png
import Kernels
import Restormer

/// Works on whichever device was opened: the compiler makes one of it for each kind of backend.
func restore(
  _ page: Image, with weights: ModelWeights, on backend: some Backend
) throws -> Restored<Image> {
  // Keep it for many images: the network is planned once for each size.
  let restorer = try Restorer(weights, on: backend)
  return try restorer.restore(page)
}

let paths = CommandLine.arguments.dropFirst()
guard let from = paths.first, let to = paths.dropFirst().first else {
  fatalError("usage: restore-example FROM TO.png")
}
// Weights of a file: try ModelWeights(contentsOf: "deblurring.pth")
let model = try BundledModel.standard()
let device = try OpenedBackend.open("auto") { print($0) }
print("\(model.name) on \(device.name)")
let restored = try restore(
  try Image(contentsOf: from), with: model.weights, on: device.backend)
if restored.decision.isLeftAlone { print("left as it was") }
try restored.picture.write(to: to, format: .png)
