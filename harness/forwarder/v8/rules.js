// One rule of a property on one call. The chains of promises have as many links as those of Adobe's engine, because
// their number decides which of several failures comes first.

class ConditionNotMetError extends Error {
  constructor(message) {
    super(message);
    this.name = 'ConditionNotMetError';
    this.logMethod = 'log';
  }
}

const CHAIN = Symbol('chain'); // the data elements that a data element is resolved for
let lastStamp = 0;

/** A logger with the messages that Adobe's keeps: texts as they are, anything else as JSON. */
function newLogger(context) {
  const bucket = [];
  const logger = {};
  for (const logLevel of ['log', 'info', 'debug', 'warn', 'error']) {
    logger[logLevel] = (...args) => {
      args.unshift('\uD83D\uDE80');
      lastStamp = Math.max(loop.clock(), lastStamp + 1);
      bucket.push({
        name: 'evaluatingRule',
        timestampMs: lastStamp,
        attributes: { logLevel },
        messages: args.map((message) => (typeof message === 'string' ? message : JSON.stringify(message))),
        context,
      });
    };
  }
  logger.getJsonLogs = () => bucket;
  return logger;
}

/** The fetch of a rule: it reads every answer for the log and hands out a copy. */
function newFetch(logger) {
  return (resource, init = {}) => {
    const own = {};
    if (typeof resource !== 'string' && resource.headers) {
      for (const [name, value] of resource.headers.entries()) {
        own[name] = value;
      }
    }
    init.headers = { ...own, ...init.headers };
    return outsideFetch(resource, init).then(
      (response) => {
        const copy = response.clone();
        return Promise.all([response.text(), response.status]).then(([body, status]) => {
          logger.log(
            'FETCH', 'Resource', resource, 'Options', init, 'Response Status', status, 'Response Body', body || 'empty',
          );
          return copy;
        });
      },
      (error) => {
        logger.error('FETCH', 'Resource', resource, 'Options', init, 'Error', error.message);
        throw error;
      },
    );
  };
}

function delegateOf({ modulePath, ...others }) {
  const { extensionName, displayName, script } = moduleProvider.getModuleDefinition(modulePath);
  const extension = extensions[extensionName];
  return {
    ...others,
    displayName,
    moduleExports: script,
    extension: { name: extensionName, displayName: extension.displayName, getExtensionSettings: undefined },
  };
}

/** Runs the module of a component, with its settings filled in. */
function runModule(context) {
  const { arcAndUtils, env, delegateConfig } = context;
  const { getSettings = () => Promise.resolve({}), moduleExports, id, name, extension } = delegateConfig;
  // Adobe's engine asks the extension for its settings at the same time; these extensions have none.
  return Promise.all([getSettings(context), Promise.resolve({})])
    .then(([settings, extensionSettings]) =>
      moduleExports({
        ...arcAndUtils,
        utils: {
          ...arcAndUtils.utils,
          getSettings: () => settings,
          getExtensionSettings: () => extensionSettings,
          getComponent: () => ({ id, name }),
          getEnv: extension.name === 'core' ? () => env : () => ({}),
        },
      }),
    )
    .then((moduleOutput) => ({ ...context, moduleOutput }));
}

function executed(context) {
  return Promise.resolve(context)
    .then((current) => {
      const { arcAndUtils: { arc: { event, ruleStash }, utils: { logger } }, delegateConfig } = current;
      const { displayName, extension } = delegateConfig;
      board.show(displayName, delegateConfig.name);
      logger.log(
        `Calling "${displayName}" module from the "${extension.displayName}" extension.`,
        'Event: ', event, 'Rule Stash: ', ruleStash,
      );
      return current;
    })
    .then(runModule)
    .then((current) => {
      const { moduleOutput, arcAndUtils: { utils: { logger } }, delegateConfig: { displayName, extension } } = current;
      logger.log(
        `"${displayName}" module from the "${extension.displayName}" extension returned.`, 'Output:', moduleOutput,
      );
      return current;
    });
}

/** The value of a data element. */
function elementValue(name, context) {
  const { logger } = context.arcAndUtils.utils;
  const definition = state.elements[name];
  if (!definition) {
    return Promise.reject(new Error(`Data element definition for "${name}" was not found.`));
  }
  const { dataElementCallStack: asked = [] } = context;
  if (asked.includes(name)) {
    asked.push(name);
    return Promise.reject(new Error(`Data element circular reference detected: ${asked.join(' -> ')}`));
  }
  asked.push(name);
  if (context[CHAIN].includes(name)) {
    // Adobe's engine goes round for ever here; any other failure of the component comes first.
    const circle = [...context[CHAIN], name].join(' -> ');
    return new Promise((_, reject) => {
      loop.late.push(() => reject(new Error(`Data element circular reference detected: ${circle}`)));
    });
  }
  const { defaultValue, cleanText, forceLowerCase } = definition;
  logger.log(`Resolving the data element "${name}".`);
  return executed({ ...context, [CHAIN]: [...context[CHAIN], name], delegateConfig: delegateOf(definition) })
    .then(({ moduleOutput }) => {
      let value = moduleOutput;
      if (value == null && defaultValue != null) {
        value = defaultValue;
      }
      if (typeof value === 'string') {
        value = cleanText ? value.replace(/\s+/g, ' ').trim() : value;
        value = forceLowerCase ? value.toLowerCase() : value;
      }
      logger.log(`The "${name}" data element value is "${value}".`);
      return value;
    })
    .catch((error) => {
      error.message = `Failed to execute module for data element "${name}". ${error.message}`;
      throw error;
    });
}

/** What the built code calls: gives a function from names to the values of data elements. */
function elementValues(names, context) {
  const inner = { ...context, dataElementCallStack: [] };
  return Promise.all(names.map((name) => elementValue(name, inner))).then((values) => {
    const byName = {};
    names.forEach((name, index) => {
      byName[name] = values[index];
    });
    return (name) => byName[name];
  });
}

function judged({ moduleOutput, arcAndUtils, delegateConfig: { displayName, negate = false }, ...others }) {
  const { name } = arcAndUtils.utils.getRule();
  if (typeof moduleOutput !== 'boolean') {
    return Promise.reject(new Error(`Condition "${displayName}" from rule "${name}" did not return a boolean result.`));
  }
  if (moduleOutput === Boolean(negate)) {
    return Promise.reject(new ConditionNotMetError(`Condition "${displayName}" from rule "${name}" not met.`));
  }
  return Promise.resolve({ arcAndUtils, ...others });
}

function kept({ moduleOutput, arcAndUtils, delegateConfig: { extension }, ...others }) {
  arcAndUtils.arc.ruleStash[extension.name] = moduleOutput != undefined ? moduleOutput : null;
  return { arcAndUtils, ...others };
}

function inTime(context) {
  const { timeout } = context.delegateConfig;
  const late = new Promise((_, reject) => {
    loop.after(timeout, () => {
      const seconds = timeout / 1000;
      reject(new Error(`A timeout occurred because the module took longer than ${seconds} seconds to complete.`));
    });
  });
  return Promise.race([late, executed(context)]);
}

function asError(reason) {
  const error = reason || new Error('The extension triggered an error, but no error information was provided.');
  return error instanceof Error ? error : new Error(String(error));
}

/** Runs components one after another, and hands the result of each to `finish`. */
function chained(components, finish, { logger }) {
  return (start) => {
    let last = Promise.resolve(start);
    components.forEach((component) => {
      const delegateConfig = { timeout: 30000, ...delegateOf(component) };
      last = last.then((context) =>
        Promise.resolve({ ...context, delegateConfig })
          .then(inTime)
          .then(finish)
          .catch((reason) => {
            const error = asError(reason);
            error.message = `Failed to execute "${delegateConfig.displayName}". ${error.message}`;
            return Promise.reject(error);
          }),
      );
    });
    return last.catch((error) => {
      const logMethod = error.logMethod || 'error';
      state.reason = `${error.message}`;
      logger[logMethod](`${error.message}${logMethod === 'error' && error.stack ? ` \n ${error.stack}` : ''}`);
      return Promise.reject(error);
    });
  };
}

/** Starts a rule; `finish` is called with its status and, unless it succeeded, the message of its error. */
function startRule({ rule, buildInfo, arc, env }, finish) {
  const { id, name } = rule;
  const logger = newLogger({ ruleId: id });
  const fetch = newFetch(logger);
  const utils = { getRule: () => ({ id, name }), getBuildInfo: () => buildInfo, logger, fetch, mtlsFetch: fetch };
  const context = { env, arcAndUtils: { utils, arc }, [CHAIN]: [] };
  const end = (result) => {
    logger.log(`Execution of rule "${name}" is complete.`);
    return result;
  };
  Promise.resolve(context)
    .then((current) => {
      logger.log(`Execution of rule "${name}" is starting.`);
      return current;
    })
    .then(chained(rule.conditions, judged, utils))
    .then(chained(rule.actions, kept, utils))
    .then(end)
    .catch((error) => {
      end();
      throw error;
    })
    .then(() => finish({ status: 'success' }))
    .catch((error) => {
      const status = error instanceof ConditionNotMetError ? 'condition_not_met' : 'failed';
      finish({ status, error: state.reason ?? `${error?.message}` });
    });
}
