// An answer to a tick is about the job that the tick was sent with. One that comes when the page has turned to another job
// is dropped here, where answers arrive: the server cannot know what the page shows by then.

const answersOf = window.fetch;
const jobs = {onPage: null};  // as the last answer that named one said; null before

const touch = (number) => window.gradio_config.dependencies.find(({id}) => id === number);
const jobField = () => window.gradio_config.components.find(({props}) => props.elem_id === 'job-id').id;
const isTick = ({targets}) => targets.some(([, event]) => event === 'tick');
const unchanged = ({outputs}) => new Response(JSON.stringify({data: outputs.map(() => ({__type__: 'update'}))}),
  {headers: {'content-type': 'application/json'}});

window.fetch = async (address, options) => {
  const answer = await answersOf(address, options);
  if (!String(address).includes('/run/predict') || !answer.ok) return answer;
  const {fn_index: number, data: sent} = JSON.parse(options.body), asked = touch(number);
  if (!asked) return answer;
  const place = asked.outputs.indexOf(jobField());
  if (place >= 0) {
    const named = (await answer.clone().json()).data[place];
    if (typeof named === 'string') jobs.onPage = named;
  }
  const stale = isTick(asked) && jobs.onPage !== null && sent[asked.inputs.indexOf(jobField())] !== jobs.onPage;
  return stale ? unchanged(asked) : answer;
};
