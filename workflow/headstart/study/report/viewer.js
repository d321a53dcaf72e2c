// The viewer: three planes through a volume that is packed into an image. No library: niivue and
// its like need WebGL, and would be larger than all the rest of the page.
"use strict";

const AXES = { sagittal: [1, 2, 0], coronal: [0, 2, 1], axial: [0, 1, 2] };
const LONGEST = 300; // pixels of a plane's longer side

class Viewer {
  constructor(element) {
    this.element = element;
    const data = JSON.parse(element.querySelector("script").textContent);
    this.volumes = data.volumes;
    this.colours = data.colours;
    element.querySelector("[data-choice]").addEventListener("change", (event) => this.load(Number(event.target.value)));
    for (const input of element.querySelectorAll("[data-slice], [data-layer]")) {
      input.addEventListener("input", () => this.draw());
    }
    this.load(0);
  }

  async load(number) {
    const volume = this.volumes[number];
    const image = new Image();
    image.src = `data:image/png;base64,${volume.png}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    this.pixels = context.getImageData(0, 0, image.width, image.height).data;
    this.width = image.width;
    this.volume = volume;
    for (const [plane, axes] of Object.entries(AXES)) {
      const slider = this.slider(plane);
      slider.max = volume.shape[axes[2]] - 1;
      slider.value = Math.floor(volume.shape[axes[2]] / 2);
    }
    this.draw();
    this.element.dataset.shown = number;
  }

  slider(plane) {
    return this.element.querySelector(`[data-slice="${plane}"]`);
  }

  isShown(layer) {
    const box = this.element.querySelector(`[data-layer="${layer}"]`);
    return box !== null && box.checked;
  }

  // Where the voxel's three numbers begin: intensity, true class, predicted class.
  place(voxel) {
    const [nx, ny] = this.volume.shape;
    const column = voxel[2] % this.volume.columns;
    const row = Math.floor(voxel[2] / this.volume.columns);
    return 4 * ((row * ny + voxel[1]) * this.width + column * nx + voxel[0]);
  }

  draw() {
    for (const [plane, axes] of Object.entries(AXES)) {
      this.drawPlane(plane, axes, Number(this.slider(plane).value));
    }
  }

  drawPlane(plane, [across, up, through], number) {
    const { shape, voxel } = this.volume;
    const [n, m] = [shape[across], shape[up]];
    const scale = LONGEST / Math.max(...shape.map((length, axis) => length * voxel[axis]));
    const [w, h] = [scale * voxel[across], scale * voxel[up]];
    const at = (i, j) => {
      const place = [0, 0, 0];
      [place[across], place[up], place[through]] = [i, m - 1 - j, number];
      return this.place(place);
    };
    const canvas = this.element.querySelector(`[data-plane="${plane}"]`);
    [canvas.width, canvas.height] = [Math.round(n * w), Math.round(m * h)];
    const context = canvas.getContext("2d");
    this.paint(context, n, m, (i, j) => {
      const grey = this.pixels[at(i, j)];
      return [grey, grey, grey, 255];
    }, true);
    if (this.isShown("true")) {
      this.paint(context, n, m, (i, j) => {
        const value = this.pixels[at(i, j) + 1];
        return value ? [...this.colour(value), 115] : [0, 0, 0, 0];
      }, false);
    }
    if (this.isShown("predicted")) {
      this.outline(context, n, m, w, h, (i, j) => this.pixels[at(i, j) + 2]);
    }
    canvas.setAttribute("aria-label", `${plane} slice ${number + 1} of ${shape[through]}`);
  }

  colour(value) {
    const hex = this.colours[(value - 1) % this.colours.length];
    return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
  }

  paint(context, n, m, colourAt, isSmooth) {
    const small = new OffscreenCanvas(n, m);
    const painted = new ImageData(n, m);
    for (let j = 0; j < m; j++) {
      for (let i = 0; i < n; i++) {
        painted.data.set(colourAt(i, j), 4 * (j * n + i));
      }
    }
    small.getContext("2d").putImageData(painted, 0, 0);
    context.imageSmoothingEnabled = isSmooth;
    context.drawImage(small, 0, 0, context.canvas.width, context.canvas.height);
  }

  // Lines along the edges of voxels between one class and another.
  outline(context, n, m, w, h, classAt) {
    for (let j = 0; j < m; j++) {
      for (let i = 0; i < n; i++) {
        const own = classAt(i, j);
        if (own === 0) continue;
        context.beginPath();
        if (i === 0 || classAt(i - 1, j) !== own) this.line(context, i * w, j * h, i * w, (j + 1) * h);
        if (i === n - 1 || classAt(i + 1, j) !== own) this.line(context, (i + 1) * w, j * h, (i + 1) * w, (j + 1) * h);
        if (j === 0 || classAt(i, j - 1) !== own) this.line(context, i * w, j * h, (i + 1) * w, j * h);
        if (j === m - 1 || classAt(i, j + 1) !== own) this.line(context, i * w, (j + 1) * h, (i + 1) * w, (j + 1) * h);
        context.strokeStyle = `rgb(${this.colour(own).join(" ")})`;
        context.lineWidth = 1.5;
        context.stroke();
      }
    }
  }

  line(context, x, y, toX, toY) {
    context.moveTo(x, y);
    context.lineTo(toX, toY);
  }
}

for (const element of document.querySelectorAll(".viewer")) {
  new Viewer(element);
}

// What is folded would be missing on paper.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not([open])")) {
    folded.open = true;
    folded.dataset.opened = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("[data-opened]")) {
    folded.open = false;
    delete folded.dataset.opened;
  }
});
