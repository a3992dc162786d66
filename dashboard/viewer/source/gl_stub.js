// Cornerstone 5.14 builds a vtk.js window for each viewport even when it draws on the CPU, and throws where WebGL is
// switched off. It gets a stand-in context instead, always: a real one costs memory and, without a GPU, a software
// rasteriser's start. Only canvases met while `withoutWebGL` runs are concerned, so that other drawing on the page
// (plotly) keeps its own.

const stubbed = new WeakMap();
let depth = 0;
let installed = false;

function standIn(canvas) {
  return new Proxy({}, {
    get(target, name) {
      if (name in target) return target[name];
      if (name === "canvas") return canvas;
      return /^[A-Z0-9_]+$/.test(String(name)) ? 1 : () => null;
    },
  });
}

function install() {
  if (installed) return;
  installed = true;
  const real = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function getContext(type, ...rest) {
    if (/webgl/.test(type) && (depth > 0 || stubbed.has(this))) {
      if (!stubbed.has(this)) stubbed.set(this, standIn(this));
      return stubbed.get(this);
    }
    return real.call(this, type, ...rest);
  };
}

/** Runs `work` with every WebGL context asked for in it replaced by a stand-in. */
export function withoutWebGL(work) {
  install();
  depth += 1;
  try {
    return work();
  } finally {
    depth -= 1;
  }
}
