// Stands in for the package xmlbuilder2 (and the 20 it brings), which vtk.js uses to read XML meshes: the viewer has none.
export function create() {
  throw new Error("The viewer reads no XML.");
}
