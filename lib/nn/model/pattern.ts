/** `*` is within a step of the path, `**` any number of steps. */
export function fitting(pattern: string): (path: string) => boolean {
  const steps = pattern.split('.').map((step) => {
    if (step === '**') return '(?:\\.[^.]+)*';
    return `\\.${step.replaceAll(/[\\^$.*+?()[\]{}|]/g, (sign) => (sign === '*' ? '[^.]*' : `\\${sign}`))}`;
  });
  const expression = new RegExp(`^${steps.join('')}$`);
  return (path) => expression.test(`.${path}`);
}
