// What is seen first: the run played again, and figures that fit where they are opened.

// An address that holds a run shows nothing of another before the run is there.
if (new URL(window.location.href).searchParams.get('job')) document.documentElement.classList.add('opening');
function pageOpened() {
  document.documentElement.classList.remove('opening');
}

// A finetune's film strips, one after the other. The pictures come when "Watch it learn" was pressed.
function playReel(element) {
  let timer = null, shown = 0;
  const frames = () => [...element.querySelectorAll('.frame')];
  const show = (place) => {
    shown = place;
    frames().forEach((frame, i) => { frame.hidden = i !== place; });
    element.querySelector('input[type=range]').value = place;
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    element.querySelector('.play')?.setAttribute('aria-pressed', 'false');
  };
  const play = () => {
    pause();
    if (shown >= frames().length - 1) show(0);
    element.querySelector('.play').setAttribute('aria-pressed', 'true');
    timer = setInterval(() => shown < frames().length - 1 ? show(shown + 1) : pause(), 900);
  };
  element.addEventListener('click', (event) => {
    if (event.target.closest('.play')) timer ? pause() : play();
  });
  element.addEventListener('input', (event) => {
    pause();
    show(Number(event.target.value));
  });
  const begin = () => {
    clearInterval(timer);
    timer = null;
    if (!frames().length) return;
    show(0);
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) pause(); else play();
  };
  new MutationObserver((changes) => {
    if (changes.some((change) => [...change.addedNodes].some((node) => node.querySelector?.('.frame') || node.matches?.('.reel')))) begin();
  }).observe(element, {childList: true, subtree: true});
  begin();
}

function showReel() {
  setTimeout(() => document.querySelector('#reel .reel')?.scrollIntoView({block: 'nearest'}), 200);
}

// On a telephone Start is far from what then moves.
function showLive() {
  const live = document.querySelector('#look');
  if (live && live.getBoundingClientRect().bottom < 0) live.scrollIntoView();
}

// A figure drawn while it was out of sight has a size of its own: it is given its room's when that is opened.
function fitFigures() {
  const off = [...document.querySelectorAll('.js-plotly-plot')].some((plot) => {
    const drawn = plot.querySelector('.main-svg');
    return drawn && plot.clientWidth && Math.abs(drawn.getBoundingClientRect().width - plot.clientWidth) > 2;
  });
  if (off) window.dispatchEvent(new Event('resize'));
}
document.addEventListener('click', (event) => {
  if (event.target.closest('.label-wrap, [role=tab], summary')) for (const wait of [50, 250, 700]) setTimeout(fitFigures, wait);
});
