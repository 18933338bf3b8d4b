// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IEmissionProgram} from "../../../src/interfaces/IEmissionProgram.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IStakeVault} from "../../../src/interfaces/IStakeVault.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ReceiptLib} from "../../../src/libraries/ReceiptLib.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Task, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {ITokenHook, OddToken} from "../../mocks/OddToken.sol";
import {InvariantTest} from "../InvariantTest.sol";

/// @title One host, operator, delegator and requester, with odd tokens for payment, emissions and stake.
/// @dev The host is its own consumer: Infernet has no part in what a token can do.
abstract contract OddTokenActions is InvariantTest, ITokenHook {
    struct Open {
        uint32 subscriptionId;
        uint256 deadline;
    }

    bytes internal constant PAYLOAD = "Do fish sleep?";

    /// @dev As many bytes as an answer may have tokens.
    uint256 internal constant ANSWER_BYTES = 100;

    uint256 internal constant PPM = 1e6;
    uint256 internal constant PRICE = 1_000_003;
    uint256 internal constant PAYER_FUNDS = 1e30;
    bytes4 private constant TRANSFER_FAILED = bytes4(keccak256("TransferFailed()"));
    bytes4 private constant TRANSFER_FROM_FAILED = bytes4(keccak256("TransferFromFailed()"));

    OddToken internal token;
    OddToken internal stakeToken;
    IModelRegistry internal models;
    IRewardDistributor internal distributor;
    IUsageMeter internal meter;
    IStakeVault internal vault;
    IEmissionProgram internal emissions;
    ModelId internal modelId;

    address internal host = actor("host");
    address internal operator = actor("operator");
    address internal delegator = actor("delegator");
    address internal requester = actor("requester");
    address internal treasury = actor("treasury");
    address internal payer = actor("payer");
    address internal otherPayer = actor("other payer");
    address[] internal parties = [host, operator, delegator, requester, treasury];

    uint256 internal clock = 1_700_000_000;
    Open[] internal open;
    IEmissionProgram.Share[] internal shares;
    uint32 private subscriptions;
    uint256 internal feesOfPage;
    uint256 internal hostDue;
    uint256 internal tableDue;
    uint256 internal refundsDue;
    uint256 internal cameIn;
    bool private inside;

    modifier onTime() {
        vm.warp(clock);
        _;
    }

    function setUp() public virtual {
        vm.warp(clock);
        token = new OddToken();
        stakeToken = new OddToken();
        models = IModelRegistry(vm.deployCode("ModelRegistry.sol:ModelRegistry", ""));
        address owner = actor("owner");
        distributor = IRewardDistributor(
            vm.deployCode(
                "RewardDistributor.sol:RewardDistributor",
                abi.encode(owner, token, stakeToken, models, treasury, 100_000)
            )
        );
        meter = IUsageMeter(distributor.METER());
        vault = IStakeVault(distributor.VAULT());
        emissions = IEmissionProgram(distributor.EMISSIONS());
        vm.startPrank(owner);
        distributor.setAttester(actor("attester"), true);
        vm.stopPrank();
        _register();
        _attest();
        for (uint256 i; i < 2; ++i) {
            address who = i == 0 ? payer : otherPayer;
            token.mint(who, PAYER_FUNDS);
            vm.startPrank(who);
            token.approve(address(distributor), type(uint256).max);
            token.approve(address(emissions), type(uint256).max);
            vm.stopPrank();
        }
        for (uint256 i; i < 2; ++i) {
            address who = i == 0 ? operator : delegator;
            stakeToken.mint(who, PAYER_FUNDS);
            vm.prank(who);
            stakeToken.approve(address(vault), type(uint256).max);
        }
        vm.prank(operator);
        vault.setSigma(400_000);
        addAction(this.requesterAsks.selector, 3);
        addAction(this.nodeDelivers.selector, 4);
        addAction(this.anyoneTakesEscrowBack.selector, 1);
        addAction(this.requesterDeposits.selector, 2);
        addAction(this.partyClaims.selector, 5);
        addAction(this.payerFundsTomorrow.selector, 2);
        addAction(this.dayPasses.selector, 1);
        addAction(this.partyClaimsEmissions.selector, 3);
        addAction(this.partyStakes.selector, 2);
        addAction(this.partyTakesStakeOut.selector, 2);
        addAction(this.partyWithdrawsStake.selector, 2);
        addAction(this.tokenChangesItsManners.selector, 2);
    }

    /// @dev What this kind of token does differently from now on.
    function tokenChangesItsManners(uint256 seed) external virtual;

    /// @dev What does not arrive in full is refused; a payer who adds what the token keeps is served.
    function requesterAsks(uint256 seed) external onTime {
        if (open.length == 8) return;
        uint256 held = token.balanceOf(payer);
        uint256 sent = rarely(seed, 2) ? PRICE : PRICE + PRICE / 50;
        _try(payer, address(token), abi.encodeCall(token.transfer, (address(distributor), sent)));
        uint256 moved = held - token.balanceOf(payer);
        cameIn += moved - moved * token.burntPpm() / PPM;
        _open();
    }

    /// @dev What does not arrive in full is refused, unless tokens that somebody gave away make up for it.
    function requesterDeposits(uint256 seed) external onTime {
        uint256 amount = bound(mix(seed, 1), 1, PRICE);
        uint256 arrives = amount - amount * token.burntPpm() / PPM;
        uint256 held = token.balanceOf(address(distributor)) + arrives;
        uint256 required = distributor.reserves() + amount;
        bytes memory data = abi.encodeCall(IRewardDistributor.deposit, (requester, amount));
        if (address(token.hook()) != address(0)) {
            _deposit(payer, amount);
            return;
        }
        bytes memory refusal;
        if (_stuck(payer, address(distributor))) {
            refusal = abi.encodeWithSelector(TRANSFER_FROM_FAILED);
        } else if (held < required) {
            refusal = abi.encodeWithSelector(IRewardDistributor.EscrowNotFunded.selector, required, held);
        }
        call(payer, address(distributor), data, refusal);
        if (refusal.length != 0) return;
        refundsDue += amount;
        cameIn += arrives;
    }

    /// @dev No token is moved by a delivery, so none can stop it.
    function nodeDelivers(uint256 seed) external onTime {
        if (open.length == 0) return;
        uint256 at = seed % open.length;
        Open memory o = open[at];
        if (clock > o.deadline) return;
        bytes memory answer = new bytes(ANSWER_BYTES);
        UsageReceipt memory receipt = UsageReceipt({
            requestId: meter.requestIdOf(host, o.subscriptionId),
            modelId: modelId,
            requester: requester,
            node: host,
            interval: 1,
            inputHash: _inputHash(o.subscriptionId),
            outputHash: keccak256(answer),
            promptTokens: uint32(mix(seed, 1) % 101),
            completionTokens: uint32(mix(seed, 2) % (ANSWER_BYTES + 1))
        });
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(actorKey("signer"), meter.receiptDigest(receipt));
        bytes memory output = abi.encode(answer, abi.encode(receipt));
        bytes memory signature = abi.encodePacked(r, s, v);
        call(
            host, address(meter), abi.encodeCall(IUsageMeter.record, (o.subscriptionId, 1, host, output, signature)), ""
        );
        uint256 fee = 1_003 + receipt.promptTokens * uint256(4_000) + receipt.completionTokens * uint256(5_990);
        feesOfPage += fee;
        tableDue = feesOfPage * 700_000 / PPM;
        hostDue = feesOfPage - tableDue;
        refundsDue += PRICE - fee;
        _forget(at);
        uint256 day = clock / 1 days;
        if (distributor.unitsOf(1, day) != 0 && (shares.length == 0 || shares[shares.length - 1].epoch != day)) {
            shares.push(IEmissionProgram.Share(1, day));
        }
    }

    function anyoneTakesEscrowBack(uint256 seed) external onTime {
        if (open.length == 0) return;
        uint256 at = seed % open.length;
        if (open[at].deadline >= clock) clock = open[at].deadline + 1;
        vm.warp(clock);
        call(payer, address(meter), abi.encodeCall(IUsageMeter.close, (host, open[at].subscriptionId)), "");
        refundsDue += PRICE;
        _forget(at);
    }

    function dayPasses() external {
        clock = (clock / 1 days + 1) * 1 days;
    }

    /// @dev The program takes what arrives in full or nothing.
    function payerFundsTomorrow(uint256 seed) external onTime {
        uint256 amount = bound(mix(seed, 1), 100, 1e9);
        bytes memory data = abi.encodeCall(IEmissionProgram.fund, (clock / 1 days + 1, 1, amount));
        bytes memory refusal;
        if (_stuck(payer, address(emissions))) {
            refusal = abi.encodeWithSelector(TRANSFER_FROM_FAILED);
        } else if (token.burntPpm() != 0) {
            uint256 arrives = amount - amount * token.burntPpm() / PPM;
            if (arrives != amount) {
                refusal = abi.encodeWithSelector(IEmissionProgram.TokenUnsupported.selector, amount, arrives);
            }
        }
        if (address(token.hook()) == address(0)) call(payer, address(emissions), data, refusal);
        // What comes back in the middle of it undoes it, or does nothing.
        else _try(payer, address(emissions), data);
    }

    /// @dev As `partyClaims`, of a day that is over.
    function partyClaimsEmissions(uint256 whoSeed, uint256 shareSeed) external onTime {
        if (shares.length == 0) return;
        IEmissionProgram.Share memory share = shares[shareSeed % shares.length];
        if (share.epoch >= clock / 1 days) return;
        address who = whoSeed % 2 == 0 ? operator : delegator;
        uint256 due = _emissionOf(who, share);
        bool reenters = address(token.hook()) != address(0);
        vm.prank(payer);
        (bool ok, bytes memory answer) = address(emissions).call(_claimOf(who, share));
        if (due == 0) {
            assertTrue(!ok && bytes4(answer) == IEmissionProgram.NothingToClaim.selector, "no emission to claim");
        } else if (!_stuck(who, address(emissions))) {
            assertTrue(ok, "emission paid");
            if (!reenters) assertEq(_emissionOf(who, share), 0, "all of it");
        } else {
            assertTrue(!ok && bytes4(answer) == TRANSFER_FAILED, "refused by the token");
            assertEq(_emissionOf(who, share), due, "and still due");
        }
    }

    /// @dev Paid when the token pays, otherwise refused as a whole, and still due.
    function partyClaims(uint256 whoSeed, uint256 seed) external onTime {
        address who = pick(parties, whoSeed);
        uint256 due = _claimable(who);
        bool reenters = address(token.hook()) != address(0);
        bool pays = !_stuck(who, address(distributor));
        vm.prank(rarely(seed, 2) ? who : payer);
        (bool ok, bytes memory answer) = address(distributor).call(_claimOf(who, address(0)));
        if (due == 0) {
            assertTrue(!ok && bytes4(answer) == IRewardDistributor.NothingToClaim.selector, "nothing to claim");
        } else if (pays) {
            assertTrue(ok, "paid");
            if (!reenters) assertEq(_claimable(who), 0, "all of it");
        } else {
            assertTrue(!ok && bytes4(answer) == TRANSFER_FAILED, "refused by the token");
            assertEq(_claimable(who), due, "and still due");
        }
    }

    function partyStakes(uint256 whoSeed, uint256 seed) external onTime {
        address who = whoSeed % 2 == 0 ? operator : delegator;
        uint256 amount = bound(mix(seed, 1), 100, 1e12);
        bool reenters = address(stakeToken.hook()) != address(0);
        bytes memory refusal;
        if (_stakeStuck(who)) {
            refusal = abi.encodeWithSelector(TRANSFER_FROM_FAILED);
        } else if (stakeToken.burntPpm() != 0) {
            uint256 arrives = amount - amount * stakeToken.burntPpm() / PPM;
            refusal = abi.encodeWithSelector(IStakeVault.TokenUnsupported.selector, amount, arrives);
        }
        bytes memory data = who == operator
            ? abi.encodeCall(IStakeVault.deposit, (amount))
            : abi.encodeCall(IStakeVault.delegate, (operator, amount));
        if (!reenters) {
            call(who, address(vault), data, refusal);
            return;
        }
        // What comes back in the middle of a deposit undoes it, or does nothing.
        _try(who, address(vault), data);
    }

    function partyTakesStakeOut(uint256 whoSeed, uint256 seed) external onTime {
        bool own = whoSeed % 2 == 0;
        uint256 held = own ? vault.stakeOf(operator).own : vault.delegationOf(delegator, operator);
        if (held == 0) return;
        uint256 amount = bound(mix(seed, 1), 1, held);
        bytes memory data = own
            ? abi.encodeCall(IStakeVault.requestWithdrawal, (amount))
            : abi.encodeCall(IStakeVault.undelegate, (operator, amount));
        call(own ? operator : delegator, address(vault), data, "");
    }

    function partyWithdrawsStake(uint256 whoSeed) external onTime {
        address who = whoSeed % 2 == 0 ? operator : delegator;
        IStakeVault.Withdrawal memory waiting = vault.withdrawalOf(who, operator);
        if (waiting.amount == 0) return;
        if (clock < waiting.availableAt) clock = waiting.availableAt;
        vm.warp(clock);
        bytes memory refusal = _stakeStuck(who) ? abi.encodeWithSelector(TRANSFER_FAILED) : bytes("");
        call(who, address(vault), abi.encodeCall(IStakeVault.withdraw, (operator, who)), refusal);
        if (refusal.length != 0) {
            assertEq(vault.withdrawalOf(who, operator).amount, waiting.amount, "and still waiting");
        }
    }

    /// @dev Called by the token in the middle of whatever moves it: everybody tries everything again.
    function onTokenMoved() external {
        if (inside) return;
        inside = true;
        for (uint256 i; i < parties.length; ++i) {
            _try(parties[i], address(distributor), _claimOf(parties[i], parties[i]));
        }
        for (uint256 i = shares.length > 2 ? shares.length - 2 : 0; i < shares.length; ++i) {
            if (shares[i].epoch >= clock / 1 days) continue;
            _try(payer, address(emissions), _claimOf(operator, shares[i]));
            _try(payer, address(emissions), _claimOf(delegator, shares[i]));
        }
        _try(operator, address(vault), abi.encodeCall(IStakeVault.withdraw, (operator, operator)));
        _try(delegator, address(vault), abi.encodeCall(IStakeVault.withdraw, (operator, delegator)));
        _try(operator, address(vault), abi.encodeCall(IStakeVault.deposit, (7)));
        _try(delegator, address(vault), abi.encodeCall(IStakeVault.delegate, (operator, 7)));
        _try(otherPayer, address(emissions), abi.encodeCall(IEmissionProgram.fund, (clock / 1 days + 1, 1, 7)));
        if (open.length < 8) _open();
        _deposit(otherPayer, 7);
        inside = false;
    }

    /// @dev A deposit that may be refused, and is counted when it is not.
    function _deposit(address from, uint256 amount) private {
        uint256 held = token.balanceOf(from);
        uint256 before = refundsDue;
        vm.prank(from);
        (bool ok,) = address(distributor).call(abi.encodeCall(IRewardDistributor.deposit, (requester, amount)));
        if (!ok) {
            assertEq(refundsDue, before, "what happened in between is undone");
            return;
        }
        refundsDue += amount;
        cameIn += held - token.balanceOf(from);
    }

    function _open() private {
        IUsageMeter.Opening memory o = IUsageMeter.Opening({
            modelId: modelId,
            requester: requester,
            subscriptionId: ++subscriptions,
            intervals: 1,
            redundancy: 1,
            deadline: uint40(clock + 1 days)
        });
        uint256 held = token.balanceOf(address(distributor));
        uint256 required = distributor.reserves() + PRICE;
        bytes memory refusal;
        if (held < required) {
            refusal = abi.encodeWithSelector(IRewardDistributor.EscrowNotFunded.selector, required, held);
        }
        call(host, address(meter), abi.encodeCall(IUsageMeter.open, (o, PAYLOAD)), refusal);
        if (refusal.length == 0) open.push(Open(o.subscriptionId, o.deadline));
    }

    function _inputHash(uint32 subscriptionId) private view returns (bytes32) {
        Task memory task = Task({
            consumer: host,
            subscriptionId: subscriptionId,
            interval: 1,
            requestId: meter.requestIdOf(host, subscriptionId),
            requester: requester,
            node: host,
            modelId: modelId,
            maxPromptTokens: 100,
            maxCompletionTokens: 100,
            payloadHash: keccak256(PAYLOAD)
        });
        return keccak256(abi.encode(ReceiptLib.TASK_ENVELOPE_TYPEHASH, block.chainid, task));
    }

    function _try(address who, address target, bytes memory data) private {
        vm.prank(who);
        (bool ok,) = target.call(data);
        ok;
    }

    function _forget(uint256 at) private {
        open[at] = open[open.length - 1];
        open.pop();
    }

    function _stuck(address account, address books) private view returns (bool) {
        return token.failing() || token.blocked(account) || token.blocked(books);
    }

    function _stakeStuck(address who) private view returns (bool) {
        return stakeToken.failing() || stakeToken.blocked(who) || stakeToken.blocked(address(vault));
    }

    function _claimable(address who) internal view returns (uint256) {
        if (who == host) return distributor.claimableHost(modelId);
        if (who == operator) return distributor.claimableOperator(operator);
        if (who == delegator) return distributor.claimableDelegator(delegator, operator);
        if (who == treasury) return distributor.treasuryOwed();
        return distributor.balanceOf(requester);
    }

    function _emissionOf(address who, IEmissionProgram.Share memory share) private view returns (uint256) {
        if (who == operator) return emissions.claimableOperator(operator, share);
        return emissions.claimableDelegator(delegator, operator, share);
    }

    function _claimOf(address who, IEmissionProgram.Share memory share) private view returns (bytes memory) {
        IEmissionProgram.Share[] memory list = new IEmissionProgram.Share[](1);
        list[0] = share;
        if (who == operator) return abi.encodeCall(IEmissionProgram.claimOperator, (operator, list, address(0)));
        return abi.encodeCall(IEmissionProgram.claimDelegator, (delegator, operator, list, address(0)));
    }

    function _claimOf(address who, address to) private view returns (bytes memory) {
        address[] memory list = new address[](1);
        list[0] = operator;
        if (who == host) {
            ModelId[] memory ids = new ModelId[](1);
            ids[0] = modelId;
            return abi.encodeCall(IRewardDistributor.claimHost, (ids, to));
        }
        if (who == operator) return abi.encodeCall(IRewardDistributor.claimOperator, (list, to));
        if (who == delegator) return abi.encodeCall(IRewardDistributor.claimDelegator, (delegator, list, to));
        if (who == treasury) return abi.encodeCall(IRewardDistributor.payTreasury, ());
        return abi.encodeCall(IRewardDistributor.withdrawBalance, (requester, to));
    }

    function _register() private {
        address[] memory nodes = new address[](1);
        nodes[0] = host;
        vm.prank(host);
        modelId = models.register(
            IModelRegistry.Listing({
                artifactId: keccak256("model"),
                metadataHash: 0,
                metadataUri: "",
                containers: "flock-workflow",
                consumer: host,
                receiptSigner: actor("signer"),
                nodes: nodes,
                terms: Terms(1_003, 4_000 * 1e6, 5_990 * 1e6, 100, 100, 700_000, 0)
            })
        );
    }

    function _attest() private {
        IRewardDistributor.Contributor[] memory training = new IRewardDistributor.Contributor[](1);
        training[0] = IRewardDistributor.Contributor(operator, 7);
        IRewardDistributor.ContributorTable memory t = IRewardDistributor.ContributorTable(
            modelId, training, new IRewardDistributor.Contributor[](0), 1, uint40(clock + 1 days)
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(actorKey("attester"), distributor.tableDigest(t));
        distributor.setContributors(t, actor("attester"), abi.encodePacked(r, s, v));
    }
}
