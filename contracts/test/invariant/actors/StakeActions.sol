// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IStakeVault} from "../../../src/interfaces/IStakeVault.sol";
import {Ledger} from "../Ledger.sol";

/// @title Operators and delegators move stake. None of it may change what anybody has earned before.
abstract contract StakeActions is Ledger {
    uint256 private constant COOLDOWN = 1 days;
    uint256 private constant SIGMA_WINDOW = 7 days;

    function operatorDeposits(uint256 whoSeed, uint256 amountSeed) external onTime {
        address who = pick(operators, whoSeed);
        uint256 amount = _amount(amountSeed);
        bytes memory refusal;
        if (amount == 0) refusal = abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 0);
        stakeToken.mint(who, amount);
        call(who, address(vault), abi.encodeCall(IStakeVault.deposit, (amount)), refusal);
        if (refusal.length != 0) return;
        _beforeStake(who);
        staked[who].own += amount;
        _stakeMoved(who);
    }

    function operatorTakesStakeOut(uint256 whoSeed, uint256 amountSeed) external onTime {
        address who = pick(operators, whoSeed);
        uint256 own = staked[who].own;
        uint256 amount = _amountOf(own, amountSeed);
        bytes memory refusal;
        if (amount == 0) refusal = abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 0);
        else if (amount > own) refusal = abi.encodeWithSelector(IStakeVault.StakeInsufficient.selector, amount, own);
        call(who, address(vault), abi.encodeCall(IStakeVault.requestWithdrawal, (amount)), refusal);
        if (refusal.length != 0) return;
        _beforeStake(who);
        staked[who].own -= amount;
        _stakeMoved(who);
        _leaves(who, who, amount);
    }

    /// @dev At once the first time, announced afterwards.
    function operatorSetsSigma(uint256 whoSeed, uint256 sigmaSeed) external onTime {
        _setsSigma(pick(operators, whoSeed), rarely(sigmaSeed, 10) ? PPM + 1 : bound(mix(sigmaSeed, 1), 0, PPM));
    }

    function anyoneAppliesSigma(uint256 whoSeed) external onTime {
        address who = pick(operators, whoSeed);
        for (uint256 i; i < operators.length && staked[who].pendingFrom == 0; ++i) {
            who = operators[i];
        }
        StakeBook storage s = staked[who];
        if (rarely(whoSeed, 2)) _moveTo(s.pendingFrom);
        // The last moment, or one too late.
        else if (rarely(mix(whoSeed, 1), 8) && s.pendingFrom != 0) _moveTo(s.pendingFrom + SIGMA_WINDOW + whoSeed % 2);
        bytes memory refusal;
        if (s.pendingFrom == 0) {
            refusal = abi.encodeWithSelector(IStakeVault.NothingPending.selector);
        } else if (clock < s.pendingFrom) {
            refusal = abi.encodeWithSelector(IStakeVault.CooldownNotOver.selector, s.pendingFrom);
        } else if (clock > s.pendingFrom + SIGMA_WINDOW) {
            refusal = abi.encodeWithSelector(IStakeVault.AnnouncementExpired.selector, s.pendingFrom + SIGMA_WINDOW);
        }
        call(stranger, address(vault), abi.encodeCall(IStakeVault.applySigma, (who)), refusal);
        if (refusal.length != 0) return;
        _beforeStake(who);
        (s.sigmaPpm, s.pendingSigma, s.pendingFrom) = (s.pendingSigma, 0, 0);
        _stakeMoved(who);
    }

    function delegatorDelegates(uint256 whoSeed, uint256 operatorSeed, uint256 amountSeed) external onTime {
        _delegates(pick(delegators, whoSeed), pick(operators, operatorSeed), _amount(amountSeed));
    }

    function delegatorUndelegates(uint256 whoSeed, uint256 operatorSeed, uint256 amountSeed) external onTime {
        address who = pick(delegators, whoSeed);
        address operator = pick(operators, operatorSeed);
        uint256 own = delegation[operator][who];
        uint256 amount = _amountOf(own, amountSeed);
        bytes memory refusal;
        if (amount == 0) refusal = abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 0);
        else if (amount > own) refusal = abi.encodeWithSelector(IStakeVault.StakeInsufficient.selector, amount, own);
        call(who, address(vault), abi.encodeCall(IStakeVault.undelegate, (operator, amount)), refusal);
        if (refusal.length != 0) return;
        _beforeStake(operator, who);
        delegation[operator][who] -= amount;
        staked[operator].delegated -= amount;
        _stakeMoved(operator, who);
        _leaves(operator, who, amount);
    }

    function stakerWithdraws(uint256 whoSeed, uint256 operatorSeed, uint256 kindSeed) external onTime {
        address operator = pick(operators, operatorSeed);
        address who = rarely(kindSeed, 2) ? operator : pick(delegators, whoSeed);
        Leaving memory l = leaving[operator][who];
        if (rarely(mix(kindSeed, 1), 2)) _moveTo(l.availableAt);
        bytes memory refusal;
        if (l.amount == 0) {
            refusal = abi.encodeWithSelector(IStakeVault.NothingPending.selector);
        } else if (clock < l.availableAt) {
            refusal = abi.encodeWithSelector(IStakeVault.CooldownNotOver.selector, l.availableAt);
        }
        uint256 held = stakeToken.balanceOf(safe);
        call(who, address(vault), abi.encodeCall(IStakeVault.withdraw, (operator, safe)), refusal);
        if (refusal.length != 0) return;
        assertEq(stakeToken.balanceOf(safe) - held, l.amount, "all that was waiting");
        delete leaving[operator][who];
    }

    function _setsSigma(address who, uint256 sigma) internal {
        StakeBook storage s = staked[who];
        bytes memory refusal;
        if (sigma > PPM) refusal = abi.encodeWithSelector(IStakeVault.SigmaInvalid.selector, sigma);
        call(who, address(vault), abi.encodeCall(IStakeVault.setSigma, (sigma)), refusal);
        if (refusal.length != 0) return;
        if (s.accepts) {
            (s.pendingSigma, s.pendingFrom) = (sigma, clock + COOLDOWN);
            _assertDues(who);
        } else {
            _beforeStake(who);
            (s.sigmaPpm, s.accepts) = (sigma, true);
            _stakeMoved(who);
        }
    }

    function _delegates(address who, address operator, uint256 amount) internal {
        StakeBook storage s = staked[operator];
        bytes memory refusal;
        if (who == operator) refusal = abi.encodeWithSelector(IStakeVault.SelfDelegation.selector);
        else if (!s.accepts) refusal = abi.encodeWithSelector(IStakeVault.DelegationNotAccepted.selector, operator);
        else if (amount == 0) refusal = abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 0);
        stakeToken.mint(who, amount);
        call(who, address(vault), abi.encodeCall(IStakeVault.delegate, (operator, amount)), refusal);
        if (refusal.length != 0) return;
        _beforeStake(operator, who);
        delegation[operator][who] += amount;
        s.delegated += amount;
        _stakeMoved(operator, who);
    }

    function _leaves(address operator, address account, uint256 amount) private {
        Leaving storage l = leaving[operator][account];
        l.amount += amount;
        l.availableAt = clock + COOLDOWN;
    }

    function _stakeMoved(address operator) private {
        _afterStake(operator);
        _assertDues(operator);
    }

    function _stakeMoved(address operator, address delegator) private {
        _afterStake(operator, delegator);
        _assertDues(operator);
    }

    /// @dev A few base units, anything below a token, or much: each in a third of all cases.
    function _amount(uint256 seed) private pure returns (uint256) {
        if (rarely(seed, 16)) return 0;
        uint256 kind = mix(seed, 6) % 3;
        return bound(mix(seed, 2), 1, kind == 0 ? 3 : kind == 1 ? 10 ** (mix(seed, 3) % 19) : 1e24);
    }

    /// @dev Mostly a part of what is there, at times all of it, nothing, or more.
    function _amountOf(uint256 held, uint256 seed) private pure returns (uint256) {
        uint256 kind = mix(seed, 4) % 8;
        if (kind == 0) return 0;
        if (kind == 1) return held + 1;
        if (kind < 4) return held;
        return bound(mix(seed, 5), 0, held);
    }
}
