// Cornerstone3D: set up once a page, volumes handed to it as one flat array in viewer space (see geometry.js).

import {
  Enums,
  ImageVolume,
  RenderingEngine,
  cache,
  eventTarget,
  init as initCore,
  metaData,
  triggerEvent,
  utilities,
} from "@cornerstonejs/core";
import * as tools from "@cornerstonejs/tools";
import { withoutWebGL } from "./gl_stub.js";
import { INFERNO, RAMP } from "./heat.js";
import { install as drawSlicesOurselves, redrawSlices } from "./slices.js";

const CACHE_BYTES = 2e9; // a bound only: volumes are let go by voxels.js long before
const COLOURS = "handful-heat";

let engine = null;
let serial = 0;

/** The page's one rendering engine, on the CPU: no graphics card is asked for or used. */
export function theEngine() {
  if (engine) return engine;
  return withoutWebGL(() => {
    initCore({
      rendering: {
        webGlContextCount: 1,
        planar: {
          renderBackend: Enums.RenderBackends.CPU,
          cpuVolume: { useViewportSamplingForLinear: false, volumeModifiedThrottleMs: 0 },
        },
      },
    });
    tools.init();
    drawSlicesOurselves();
    metaData.addProvider(planeOf);
    cache.setMaxCacheSize(CACHE_BYTES);
    utilities.colormap.registerColormap({
      Name: COLOURS,
      ColorSpace: "RGB",
      RGBPoints: INFERNO.flatMap((rgb, i) => [i / (INFERNO.length - 1), ...rgb]),
    });
    engine = new RenderingEngine("handful");
    return engine;
  });
}

// Where the slices of our volumes lie, for the measuring tools: they look for the image nearest to a point.
const grids = new Map(); // Cornerstone's volume id -> grid

function planeOf(type, imageId) {
  if (type !== "imagePlaneModule" || typeof imageId !== "string") return undefined;
  const at = imageId.lastIndexOf("-");
  const grid = grids.get(imageId.slice(0, at));
  if (!grid) return undefined;
  const { origin, direction, spacing, size } = grid;
  const depth = Number(imageId.slice(at + 1)) * spacing[2];
  return {
    imagePositionPatient: origin.map((value, i) => value + depth * direction[6 + i]),
    imageOrientationPatient: direction.slice(0, 6),
    rowCosines: direction.slice(0, 3),
    columnCosines: direction.slice(3, 6),
    columnPixelSpacing: spacing[0],
    rowPixelSpacing: spacing[1],
    pixelSpacing: [spacing[1], spacing[0]],
    sliceThickness: spacing[2],
    columns: size[0],
    rows: size[1],
  };
}

/** Opens a planar viewport in `element`; returns Cornerstone's viewport. */
export function openViewport(element) {
  const viewportId = `handful-${++serial}`;
  const owner = theEngine();
  withoutWebGL(() => owner.enableElement({ viewportId, element, type: Enums.ViewportType.PLANAR_NEXT }));
  return owner.getViewport(viewportId);
}

export function closeViewport(viewport) {
  if (engine && engine.getViewport(viewport.id)) engine.disableElement(viewport.id);
}

const volumeIds = new Map(); // our id -> Cornerstone's, so that a volume is handed over once

/** Hands a flat array to Cornerstone. `grid`: {size, spacing, origin, direction} in viewer space. `range()` -> [low, high]. */
export function putVolume(id, values, components, grid, range, frame) {
  if (volumeIds.has(id)) return volumeIds.get(id);
  const volumeId = `handful-volume-${++serial}`;
  const voxelManager = utilities.VoxelManager.createScalarVolumeVoxelManager({
    dimensions: grid.size,
    scalarData: values,
    numberOfComponents: components,
  });
  // One array serves the sampler as it is (its default makes a second copy of the whole volume) and the range is known.
  voxelManager.getCompleteScalarDataArray = () => values;
  voxelManager.getRange = range;
  voxelManager.clear = () => {}; // the array is ours: it may be kept for the next visit
  const volume = new ImageVolume({
    volumeId,
    dataType: values.constructor.name,
    dimensions: grid.size,
    spacing: grid.spacing,
    origin: grid.origin,
    direction: grid.direction,
    imageIds: Array.from({ length: grid.size[2] }, (_, i) => `${volumeId}-${i}`),
    metadata: { FrameOfReferenceUID: frame, Modality: "CT" },
    voxelManager,
    numberOfComponents: components,
  });
  cache.putVolumeSync(volumeId, volume);
  utilities.genericViewportDisplaySetMetadataProvider.add(volumeId, {
    imageIds: volume.imageIds,
    volumeId,
    kind: "planar",
  });
  grids.set(volumeId, grid);
  volumeIds.set(id, volumeId);
  return volumeId;
}

export function dropVolume(id) {
  const volumeId = volumeIds.get(id);
  if (!volumeId) return;
  volumeIds.delete(id);
  grids.delete(volumeId);
  utilities.genericViewportDisplaySetMetadataProvider.remove(volumeId);
  if (cache.getVolume(volumeId)) cache.removeVolumeLoadObject(volumeId);
}

/** Volumes of cases (not overlays) and viewports that Cornerstone holds. */
export function heldByCornerstone() {
  const cases = [...volumeIds.keys()].filter((id) => !id.includes("#"));
  return {
    volumes: cases.filter((id) => cache.getVolume(volumeIds.get(id))).length,
    viewports: engine ? engine.getViewports().length : 0,
  };
}

/** Says that voxels changed, which redraws every viewport that shows them. */
export function volumeChanged(volumeId) {
  redrawSlices();
  triggerEvent(eventTarget, Enums.Events.IMAGE_VOLUME_MODIFIED, { volumeId });
}

/** How an overlay is painted, in Cornerstone's words (slices.js paints the same by a table). */
export function heat(opacity, visible) {
  return {
    visible: visible && opacity > 0,
    voiRange: { lower: 0, upper: 255 },
    opacity,
    colormap: { name: COLOURS, opacity: RAMP.map(([value, alpha]) => ({ value: value * 255, opacity: alpha })) },
  };
}

export { Enums, tools };
